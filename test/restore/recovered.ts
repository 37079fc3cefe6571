// Recovering a world's warehouse as a bare machine does: by the repository's path and passphrase alone, and looking at what came back.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { Client } from 'pg'

import { systemClock } from '../../src/base/clock.ts'
import type { Progress } from '../../src/base/operation.ts'
import type { RecoveryPlan } from '../../src/recovery/plan/plan.ts'
import { runRecovery, type RecoveryReport, type RecoveryRequest } from '../../src/recovery/run-recovery.ts'
import { endServer } from '../../src/warehouse/servers.ts'
import { testContext } from '../support/context.ts'
import { binariesOf, type Major, type TestServer } from '../support/postgres.ts'

const signal = new AbortController().signal
const passphrase = 'correct horse'
let count = 0

/** What of a world a recovery needs. */
export interface Source {
  readonly folder: string
  readonly server: { readonly major: Major }
}

export type Wishes = Partial<Omit<RecoveryRequest, 'warehouse'>>

/** A recovered server with the two methods of TestServer that truth.ts needs. */
export class Recovered implements AsyncDisposable {
  readonly directory: string
  readonly report: RecoveryReport
  readonly progress: readonly Progress[]

  constructor(parts: { directory: string; report: RecoveryReport; progress: readonly Progress[] }) {
    this.directory = parts.directory
    this.report = parts.report
    this.progress = parts.progress
  }

  async connect(database = 'postgres'): Promise<Client & AsyncDisposable> {
    const client = new Client({ host: '127.0.0.1', port: this.report.proof!.server.port, user: 'postgres', database })
    client.on('error', () => {})
    await client.connect()
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
  }

  async psql<Row extends object = Record<string, unknown>>(sql: string, database = 'postgres'): Promise<Row[]> {
    await using client = await this.connect(database)
    const result: unknown = await client.query(sql)
    return Array.isArray(result) ? (result.at(-1) as { rows: Row[] }).rows : (result as { rows: Row[] }).rows
  }

  /** For the functions of truth.ts, which only connect and query. */
  get asServer(): TestServer {
    return this as unknown as TestServer
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endServer({ dataDirectory: this.directory, mode: 'immediate', clock: systemClock, signal })
  }
}

/** Options of a recovery of `world` into a new folder: `start` unless told otherwise. */
export async function requestFor(world: Source, wishes: Wishes): Promise<RecoveryRequest> {
  const passphraseFile = join(world.folder, 'passphrase')
  await writeFile(passphraseFile, `${passphrase}\n`, { mode: 0o600 })
  return {
    warehouse: 'retail',
    toDirectory: join(world.folder, `recovered-${++count}`),
    repositoryPath: join(world.folder, 'repository'),
    passphraseFile,
    tablespace: {},
    set: { fsync: 'off', shared_buffers: '16MB' },
    original: false,
    allowCorrupt: false,
    start: true,
    verify: 'full',
    resume: false,
    workers: 2,
    binaries: (await binariesOf(world.server.major)).bin,
    ...wishes,
  }
}

export async function recover(
  world: Source,
  wishes: Wishes,
  abort: AbortSignal = signal,
  confirm: (plan: RecoveryPlan, question: string) => Promise<void> = () => Promise.resolve(),
): Promise<Recovered> {
  const request = await requestFor(world, wishes)
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(world.folder, 'home'), rooms: [] }, scope)
  const progress: Progress[] = []
  const report = await runRecovery(request, context, {
    report: (event) => progress.push(event),
    confirm,
    signal: abort,
  })
  return new Recovered({ directory: request.toDirectory, report, progress })
}
