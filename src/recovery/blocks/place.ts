// Where blocks are healed: under a running server, or in the directory of one that was shut down.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import type { ControlData } from '../../wal/contract.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import { historyName } from '../../wal/segments.ts'
import { parseHistory, spansOf, type TimelineSpan } from '../../wal/timelines.ts'
import { warehouses, type ServerFacts, type Warehouse } from '../../warehouse/contract.ts'
import { serverRuns, useOf } from '../../warehouse/servers.ts'
import { blockErrors as errors } from './errors.ts'

export type HealPlace =
  | {
      readonly kind: 'online'
      readonly warehouse: Warehouse
      readonly facts: ServerFacts
      readonly dataDirectory: string
      readonly control: ControlData
    }
  | { readonly kind: 'stopped'; readonly dataDirectory: string; readonly control: ControlData }

/** Rejects where the directory is not here, not of that cluster, in use, or was not shut down. */
export async function openPlace(
  of: {
    readonly warehouse: string
    readonly dataDirectory?: string | undefined
    readonly systemIdentifier: bigint
  },
  context: Context,
  signal: AbortSignal,
): Promise<HealPlace> {
  if (of.dataDirectory !== undefined) return await stoppedPlace({ ...of, dataDirectory: of.dataDirectory })
  const warehouse = (await context.use(warehouses)).get(of.warehouse)
  const facts = await warehouse.facts(signal)
  const { dataDirectory } = facts
  const control = await controlOf(dataDirectory)
  if (control.systemIdentifier !== facts.systemIdentifier)
    throw errors.blockNotHere({ folder: dataDirectory, why: 'the directory of that name here is of another cluster' })
  if (!(await serverRuns(dataDirectory)))
    throw errors.blockNotHere({ folder: dataDirectory, why: 'no server runs on it on this host' })
  await demandSameServer(warehouse, dataDirectory, signal)
  if (facts.inRecovery)
    throw errors.blockNotHere({ folder: dataDirectory, why: 'it is a standby, which takes no locks' })
  refuseOther(control, { ...of, dataDirectory })
  return { kind: 'online', warehouse, facts, dataDirectory, control }
}

async function stoppedPlace(of: { dataDirectory: string; systemIdentifier: bigint }): Promise<HealPlace> {
  const { dataDirectory } = of
  const control = await controlOf(dataDirectory)
  refuseOther(control, of)
  if ((await useOf(dataDirectory)) !== undefined) throw errors.blockServerRuns(dataDirectory)
  if (control.state !== 'shut down') throw errors.blockNotShutDown({ folder: dataDirectory, state: control.state })
  return { kind: 'stopped', dataDirectory, control }
}

/** Making the good pages takes a while: rejects where a server was started on the directory since then. */
export async function demandStillStopped({ dataDirectory, control }: HealPlace): Promise<void> {
  if ((await useOf(dataDirectory)) !== undefined) throw errors.blockServerRuns(dataDirectory)
  const now = await controlOf(dataDirectory)
  if (now.state !== 'shut down') throw errors.blockNotShutDown({ folder: dataDirectory, state: now.state })
  if (now.checkpointLsn === control.checkpointLsn && now.timeline === control.timeline) return
  throw errors.blockNotHere({ folder: dataDirectory, why: 'a server ran on it in the meantime' })
}

export function timelineOf(place: HealPlace): number {
  return place.kind === 'online' ? place.facts.timeline : place.control.timeline
}

/** Timelines have numbers, not names: two servers that were promoted apart from each other have written different WAL under the same one. */
export async function demandSameHistory(place: HealPlace, spans: readonly TimelineSpan[]): Promise<void> {
  const timeline = timelineOf(place)
  const own = await readFile(join(place.dataDirectory, 'pg_wal', historyName(timeline)), 'utf8').catch(() => undefined)
  if (own === undefined) return
  const same = spansOf(timeline, parseHistory(timeline, own))
  const isSame = spans.length === same.length && spans.every((one, n) => isSameSpan(one, same[n]!))
  if (!isSame) throw errors.blockOtherTimeline({ timeline, why: 'the one in the repository branched off elsewhere' })
}

function isSameSpan(one: TimelineSpan, other: TimelineSpan): boolean {
  return one.timeline === other.timeline && one.startLsn === other.startLsn && one.endLsn === other.endLsn
}

/** More than the record of the checkpoint on shutting down, with the header of a page within it. */
const LAST_RECORD_BYTES = 256n

/** WAL that the server never wrote: it was brought back to an earlier state, and wrote on under the same number. */
export function demandOwnWal(place: HealPlace, of: { readonly toLsn: Lsn; readonly serverLsn: Lsn }): void {
  const endLsn = place.kind === 'online' ? of.serverLsn : of.serverLsn + LAST_RECORD_BYTES
  if (of.toLsn <= endLsn) return
  const why = `the repository has WAL up to ${formatLsn(of.toLsn)}, and the server is at ${formatLsn(of.serverLsn)} only`
  throw errors.blockOtherTimeline({ timeline: timelineOf(place), why })
}

/** Turns what cannot be found out about a timeline into what that means here. */
export function timelineError(error: unknown, place: HealPlace): unknown {
  if (isWharfError(error, 'recovery.unknown-timeline'))
    return errors.blockOtherTimeline({ timeline: timelineOf(place), why: 'the repository knows none of it' })
  if (isWharfError(error, 'recovery.no-history'))
    return errors.blockOtherTimeline({ timeline: timelineOf(place), why: 'the repository has no history of it' })
  return error
}

/** Up to the shared memory; the line behind it changes while a server runs. */
const PID_LINES = 7

/** A standby may lie under the same path on this host, of the same cluster: the files here must be those of the server that is asked. */
async function demandSameServer(warehouse: Warehouse, dataDirectory: string, signal: AbortSignal): Promise<void> {
  await using session = await warehouse.connect({ purpose: 'heal', signal })
  const [row] = await session.query<{ file: Buffer }>("select pg_catalog.pg_read_binary_file('postmaster.pid') as file")
  const here = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')
  const lines = (text: string): string => text.split('\n').slice(0, PID_LINES).join('\n')
  if (lines(row!.file.toString('utf8')) === lines(here)) return
  throw errors.blockNotHere({ folder: dataDirectory, why: 'the server that runs on it here is another one' })
}

function refuseOther(control: ControlData, of: { dataDirectory: string; systemIdentifier: bigint }): void {
  if (control.systemIdentifier === of.systemIdentifier) return
  throw errors.blockOtherCluster({
    folder: of.dataDirectory,
    found: control.systemIdentifier.toString(),
    wanted: of.systemIdentifier.toString(),
  })
}

async function controlOf(dataDirectory: string): Promise<ControlData> {
  try {
    const control = parseControlFile(await readFile(join(dataDirectory, 'global/pg_control')))
    if (control.crcIsGood) return control
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'global/pg_control is not there' : messageOf(error)
    throw errors.blockNotHere({ folder: dataDirectory, why }, { cause: error })
  }
  throw errors.blockNotHere({ folder: dataDirectory, why: 'global/pg_control is damaged' })
}
