// A sandbox in which one database, as its name resolves at the target, is whole; of the others nothing is there.
import { suggestion } from '../../base/nearest.ts'
import type { Context } from '../../base/room.ts'
import type { Manifest } from '../../repository/contract.ts'
import { askedText } from '../plan/plan.ts'
import type { SandboxWish } from '../sandbox/choice.ts'
import { leaveSandboxFolder, newSandboxFolder } from '../sandbox/home.ts'
import { foundOnce } from '../sandbox/prepare.ts'
import {
  openSandbox,
  type Sandbox,
  type SandboxRequest,
  type SandboxTime,
  type SandboxTools,
} from '../sandbox/sandbox.ts'
import { partErrors as errors } from '../part-errors.ts'

export interface DatabaseWanted extends Omit<SandboxRequest, 'folder' | 'wanted' | 'databases' | 'open' | 'choose'> {
  readonly database: string
  /** Folder below which the sandbox is made; default: the home's. */
  readonly sandboxes?: string | undefined
}

export interface DatabaseSandbox extends AsyncDisposable {
  readonly sandbox: Sandbox
  readonly oid: number
  /** Of all sandboxes that it took. */
  readonly times: readonly SandboxTime[]
  readonly fetchedBytes: number
}

/** What is restored: a database by its oid, none (to look into the catalogs that all share), or, where nobody can tell what it was copied from, everything. */
type Choice = number | 'catalogs' | 'everything'

/** By its name in the backup; where the backup does not know it, the shared catalogs at the target are asked first. */
export function oidInBackup(manifest: Pick<Manifest, 'relations'>, database: string): number | undefined {
  return manifest.relations.find((one) => one.database === database)?.databaseOid
}

export function wishOf(choice: Choice): SandboxWish {
  if (choice === 'everything') return { wanted: () => true }
  if (choice === 'catalogs') return { wanted: () => false, databases: new Set() }
  return { wanted: (one) => one.databaseOid === choice, databases: new Set([choice]) }
}

/** Its name may have been another's at the target, and that other one's another's: each round looks once more. */
const MOST_ROUNDS = 4

/** Rejects with `recovery.no-such-database` where none of that name was there. */
export async function openDatabaseSandbox(
  wish: DatabaseWanted,
  context: Context,
  tools: SandboxTools,
): Promise<DatabaseSandbox> {
  const times: SandboxTime[] = []
  let fetchedBytes = 0
  let next: Choice | undefined
  await using reading = new AsyncDisposableStack()
  const found = await foundOnce(reading, wish, { context, signal: tools.signal })
  for (let round = 1; ; round++) {
    const folder = await newSandboxFolder(context, wish.sandboxes)
    await using scope = new AsyncDisposableStack()
    scope.defer(() => leaveSandboxFolder(folder))
    let chosen: Choice = next ?? 'catalogs'
    const choose = (manifest: Manifest): SandboxWish => {
      chosen = next ?? oidInBackup(manifest, wish.database) ?? 'catalogs'
      return wishOf(chosen)
    }
    const sandbox = scope.use(await openSandbox({ ...wish, found, folder, open: false, choose }, context, tools))
    times.push(...sandbox.times)
    fetchedBytes += sandbox.fetchedBytes
    const oid = await oidAtTarget(sandbox, wish.database)
    if (chosen === oid || chosen === 'everything') {
      const open = scope.move()
      return { sandbox, oid, times, fetchedBytes, [Symbol.asyncDispose]: () => open.disposeAsync() }
    }
    next = round < MOST_ROUNDS && sandbox.manifest.relations.some((one) => one.databaseOid === oid) ? oid : 'everything'
    tools.report({
      phase: 'starting over',
      note: `the database had another name, or was not there yet, when the backup was made`,
    })
  }
}

async function oidAtTarget(sandbox: Sandbox, database: string): Promise<number> {
  await using session = await sandbox.connect('template1')
  const { rows } = await session.query<{ oid: string; name: string }>(
    'select oid::int8::text as oid, datname as name from pg_catalog.pg_database order by 2',
  )
  const found = rows.find((one) => one.name === database)
  const others = rows.map((one) => one.name).filter((one) => !one.startsWith('template'))
  if (found === undefined)
    throw errors.noSuchDatabase({
      database,
      target: askedText(sandbox.resolved),
      known: others,
      suggestion: suggestion(database, others),
    })
  return Number(found.oid)
}
