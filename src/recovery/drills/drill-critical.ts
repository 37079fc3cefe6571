// A drill of the critical tier: its tables in a sandbox, looked at while it takes writes, then sealed as readers would get it, and asked.
import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { criticalRecord } from '../critical/record.ts'
import { privateServer, seal, startSealed, type LetIn, type Sealing } from '../critical/seal.ts'
import type { PreparedRecovery } from '../plan/prepare.ts'
import { addRecord, type RecoveryRecord } from '../rates/times.ts'
import type { RecoveryRequest } from '../run-recovery.ts'
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import { connectTo } from '../server/connect.ts'
import type { Proof } from '../server/start.ts'
import { verifyByConnections, verifyPages, type ConnectionProof, type PageProof } from '../server/verify.ts'
import { endServer } from '../../warehouse/servers.ts'
import type { Coverage } from './evidence.ts'
import { inspect, type Inspected, type InspectParts } from './inspect.ts'
import { checkVisibility, type VisibilityResult } from './visibility.ts'

export interface CriticalDrill {
  readonly proof: Proof
  readonly record: RecoveryRecord
  readonly inspected: Inspected
  readonly coverage: Coverage
}

export interface CriticalDrillParts {
  /** With `criticalFirst`. */
  readonly prepared: PreparedRecovery
  readonly request: RecoveryRequest & { readonly keep: boolean }
  readonly inspect: Pick<InspectParts, 'counts' | 'checks' | 'before'>
  readonly context: Context
  readonly begun: number
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

const mostNames = 1000

export async function drillCritical(parts: CriticalDrillParts): Promise<CriticalDrill> {
  const { prepared, request, context, signal, report } = parts
  const part = prepared.critical!
  const { clock } = context
  const listMs = clock.monotonic() - parts.begun
  const sandbox = await openSandbox(
    { ...request, folder: request.toDirectory, found: prepared, choose: () => part.wish, owner: prepared.owner?.name },
    context,
    { report, signal },
  )
  await using _ = sandbox
  const sealing: Sealing = { sandbox, part, context, signal }
  const opened = clock.monotonic()
  const looked = await lookAndSeal(sealing, parts)
  const sealMs = clock.monotonic() - opened - looked.lookMs
  const pages = await pagesOf(sandbox, parts)
  const sealed = clock.monotonic()
  const server = privateServer(
    sandbox,
    await startSealed(sealing, { forReaders: false, port: undefined, closed: looked.letIn.closed }),
  )
  const startMs = clock.monotonic() - sealed
  const { databases } = looked.letIn
  const covered = { databases, leftOut: sandbox.leftOut, allJournals: hasAllJournals(prepared) }
  const inspected = await inspect(server, {
    ...parts.inspect,
    resolved: prepared.resolved,
    databases,
    visibility: false,
    covered,
    signal,
    report,
  })
  await endServer({ dataDirectory: sandbox.folder, mode: 'fast', clock, signal })
  const record = criticalRecord(prepared, { sandbox, listMs, sealMs, startMs, context })
  await addRecord(context.home, record).catch((error: unknown) =>
    context.log.warn({ err: error }, 'the times of this drill could not be kept'),
  )
  return {
    proof: proofOf(sandbox, { ...looked, pages, sealMs, startMs }),
    record,
    inspected: withVisibility(inspected, looked.visibility),
    coverage: coverageOf(prepared, looked.letIn),
  }
}

interface Looked {
  readonly letIn: LetIn
  readonly connections: ConnectionProof
  /** By database; empty where nobody asked. */
  readonly visibility: readonly (VisibilityResult & { readonly database: string })[]
  readonly lookMs: number
}

/** Extensions are made, and rolled back: that needs a server that takes writes. */
async function lookAndSeal(sealing: Sealing, parts: CriticalDrillParts): Promise<Looked> {
  const { sandbox, signal } = sealing
  const { clock } = parts.context
  const isFull = parts.request.verify === 'full'
  let found: Omit<Looked, 'letIn'> | undefined
  const letIn = await seal(sealing, async (databases) => {
    const begun = clock.monotonic()
    parts.report({ phase: 'looking at tables' })
    const { leftOut } = sandbox
    const connections = await verifyByConnections(sandbox.server, { amcheck: isFull, databases, leftOut, signal })
    const visibility: (VisibilityResult & { database: string })[] = []
    for (const database of isFull ? databases : []) {
      await using session = await connectTo(sandbox.server, database)
      visibility.push({ database, ...(await checkVisibility(session, database, { signal, leftOut })) })
    }
    found = { connections, visibility, lookMs: clock.monotonic() - begun }
  })
  return { ...found!, letIn }
}

async function pagesOf(sandbox: Sandbox, parts: CriticalDrillParts): Promise<PageProof | undefined> {
  if (parts.request.verify === 'connect') return undefined
  return await verifyPages(sandbox.folder, {
    workers: parts.request.workers ?? 2,
    signal: parts.signal,
    progress: (done, total) => parts.report({ phase: 'verifying pages', done, total, unit: 'bytes' }),
  })
}

/** Whether every database that has a journal of loads is among those that came. */
function hasAllJournals({ manifest, critical }: PreparedRecovery): boolean {
  return !manifest.relations.some(
    (one) => one.schema === 'wharf' && one.name === 'load_journal' && !critical!.wish.databases.has(one.databaseOid),
  )
}

function withVisibility(inspected: Inspected, visibility: Looked['visibility']): Inspected {
  if (visibility.length === 0) return inspected
  const withoutExtension = visibility.filter((one) => !one.hasExtension).map((one) => one.database)
  const tables = visibility.reduce((sum, one) => sum + one.tables, 0)
  return {
    ...inspected,
    proof: { ...inspected.proof, visibility: { tables, withoutExtension } },
    findings: [...visibility.flatMap((one) => one.findings), ...inspected.findings],
  }
}

function proofOf(
  sandbox: Sandbox,
  of: Pick<Looked, 'connections'> & { pages: PageProof | undefined; sealMs: number; startMs: number },
): Proof {
  const replayMs = sandbox.times.find((one) => one.step === 'replay')?.ms ?? 0
  return {
    replayed: { lsn: formatLsn(sandbox.resolved.stop.lsn), timeline: sandbox.resolved.timeline },
    connections: of.connections,
    pages: of.pages,
    scratch: undefined,
    times: { replayMs, checkpointMs: of.sealMs, verifyMs: 0, inspectMs: 0 },
  }
}

function coverageOf({ critical, manifest }: PreparedRecovery, { unreadable }: LetIn): Coverage {
  const { names, tables, choice } = critical!
  return {
    tables: names.length,
    ofTables: tables,
    bytes: choice.keptBytes,
    ofBytes: manifest.files.reduce((sum, file) => sum + file.bytes, 0),
    names: names.slice(0, mostNames),
    unreadable,
  }
}
