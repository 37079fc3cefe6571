// What a recovery now would not bring back, although the server has it: Oracle's REPORT UNRECOVERABLE.
import { messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { runningControlDatabase } from '../../control/running.ts'
import {
  repositories,
  type CopiedTable,
  type KeptLoad,
  type Manifest,
  type TableCopy,
} from '../../repository/contract.ts'
import { warehouses, type Warehouse } from '../../warehouse/contract.ts'
import { foreignWrites, type ForeignWrites } from './others.ts'
import { keyOf, observationOf, readSeen, writeSeen, type Seen } from './seen.ts'
import { replayableFrom, type Replayable } from './replayable.ts'
import { surveyUnlogged, type JournaledLoad, type UnloggedTable } from './survey.ts'

export interface StoredCopy {
  readonly repository: string
  readonly copy: TableCopy
}

export interface CopyOfTable {
  readonly id: string
  readonly repository: string
  readonly takenAt: string
  readonly rows: number
}

export interface Unprotected {
  readonly database: string
  readonly relation: string
  readonly bytes: number
  /** `unlogged`: comes back empty by PostgreSQL's rules; `scratch`: left out of backups by its tier. */
  readonly why: 'unlogged' | 'scratch'
  /** Since when something would be lost; null where that is not known. */
  readonly since: string | null
  readonly lastLoad: JournaledLoad | null
  readonly foreignWrites: ForeignWrites | null
  /** The newest copy of it, if any. */
  readonly copy: CopyOfTable | null
  /** Whether that copy holds everything that is known to have been written. */
  readonly copyIsCurrent: boolean
  /** What kept loads bring back of it; null where none wrote it. */
  readonly replay: Replayable | null
  /** Whether a recovery brings all of it back, by that copy or by replay. */
  readonly comesBack: boolean
  readonly remedies: readonly string[]
}

export interface UnprotectedReport {
  readonly warehouse: string
  readonly at: string
  readonly tables: readonly Unprotected[]
  readonly lostBytes: number
  readonly warnings: readonly string[]
}

/** Asks the server, the repositories and, where it runs, the control database. Works without the latter. */
export async function reportUnprotected(
  context: Context,
  name: string,
  signal: AbortSignal,
): Promise<UnprotectedReport> {
  const warehouse = (await context.use(warehouses)).get(name)
  const { survey, seen } = await lookAtUnlogged(context, warehouse, signal)
  const { copies, kept, manifest, warnings } = await readRepositories(context, warehouse, signal)
  const unlogged = survey.tables.map((table) => {
    const observations = [...(seen.get(keyOf(table)) ?? []), observationOf(table, survey.at)]
    return judge(table, { copies, kept, foreign: foreignWrites(observations) })
  })
  const tables = [...unlogged, ...scratchOf(manifest)].toSorted((one, other) => other.bytes - one.bytes)
  const lostBytes = tables.reduce((sum, one) => sum + (one.comesBack ? 0 : one.bytes), 0)
  return { warehouse: name, at: survey.at, tables, lostBytes, warnings: [...survey.warnings, ...warnings] }
}

/** The survey of now, beside what was seen before; now is remembered where the control database runs. */
export async function lookAtUnlogged(context: Context, warehouse: Warehouse, signal: AbortSignal) {
  const survey = await surveyUnlogged(warehouse, signal)
  const { name } = warehouse.declaration
  try {
    const control = await runningControlDatabase(context)
    const seen: Seen = control ? await readSeen(control, name) : new Map()
    if (control) await writeSeen(control, name, survey)
    return { survey, seen }
  } catch (error) {
    context.log.debug({ warehouse: name, reason: messageOf(error) }, 'earlier looks at unlogged tables are not known')
    return { survey, seen: new Map() as Seen }
  }
}

interface FromRepositories {
  readonly copies: readonly StoredCopy[]
  readonly kept: ReadonlyMap<string, KeptLoad>
  readonly manifest: Manifest | undefined
  readonly warnings: readonly string[]
}

async function readRepositories(
  context: Context,
  warehouse: Warehouse,
  signal: AbortSignal,
): Promise<FromRepositories> {
  const { name, repositories: names } = warehouse.declaration
  const service = await context.use(repositories)
  const copies: StoredCopy[] = []
  const kept = new Map<string, KeptLoad>()
  const warnings: string[] = []
  let manifest: Manifest | undefined
  for (const repository of names) {
    try {
      const opened = await service.open(repository, signal)
      for (const copy of await opened.copies.list(name, signal)) copies.push({ repository, copy })
      const onDamaged = (object: string): void => void warnings.push(`${object} in ${repository} is damaged`)
      for (const load of await opened.kept.list(name, signal, { onDamaged })) kept.set(load.id, load)
      const newest = (await opened.listBackups(signal, { warehouse: name, onDamaged: () => {} })).at(-1)
      if (newest && newest.startedMs > (manifest?.startedMs ?? 0))
        manifest = await opened.readManifest(newest.id, signal)
    } catch (error) {
      signal.throwIfAborted()
      warnings.push(`repository ${repository} could not be asked: ${messageOf(error)}`)
    }
  }
  return { copies, kept, manifest, warnings }
}

interface Known {
  readonly copies: readonly StoredCopy[]
  readonly kept?: ReadonlyMap<string, KeptLoad>
  readonly foreign: ForeignWrites | undefined
}

/** Pure: what a recovery now would lose of one unlogged table. */
export function judge(table: UnloggedTable, { copies, kept = new Map(), foreign }: Known): Unprotected {
  const newest = newestCopy(table, copies)
  const takenAt = newest?.takenAt
  const loadedSince = takenAt === undefined || (table.lastLoad !== undefined && table.lastLoad.committedAt > takenAt)
  const writtenSince = takenAt === undefined ? foreign : foreign && foreign.before > takenAt ? foreign : undefined
  const replay = replayableFrom(table, kept)
  const isReplayed = replay?.missing === null && !foreign
  const isCurrent = newest !== undefined && !loadedSince && !writtenSince
  const times = [
    ...(loadedSince && table.lastLoad ? [table.lastLoad.committedAt] : []),
    ...(writtenSince ? [writtenSince.after ?? writtenSince.before] : []),
  ]
  return {
    database: table.database,
    relation: `${table.schema}.${table.name}`,
    bytes: table.bytes,
    why: 'unlogged',
    since: isCurrent || isReplayed ? null : (times.toSorted().at(0) ?? null),
    lastLoad: table.lastLoad ?? null,
    foreignWrites: foreign ?? null,
    copy: newest ?? null,
    copyIsCurrent: isCurrent,
    replay: replay ?? null,
    comesBack: isCurrent || isReplayed,
    remedies: isCurrent
      ? restoring(newest)
      : isReplayed
        ? [`replay: ${countOf(replay)} bring it back: wharf recover loads`]
        : remediesFor(table, newest, replay),
  }
}

function newestCopy(table: UnloggedTable, copies: readonly StoredCopy[]): CopyOfTable | undefined {
  const isIt = (one: CopiedTable): boolean =>
    one.database === table.database && one.schema === table.schema && one.name === table.name
  const holding = copies.filter(({ copy }) => copy.tables.some(isIt))
  const newest = holding.toSorted((one, other) => one.copy.takenMs - other.copy.takenMs).at(-1)
  if (!newest) return undefined
  const { copy, repository } = newest
  return {
    id: copy.id,
    repository,
    takenAt: new Date(copy.takenMs).toISOString(),
    rows: copy.tables.find(isIt)!.rows,
  }
}

function countOf({ loads }: Replayable): string {
  return loads === 1 ? 'one kept load' : `${loads} kept loads`
}

function restoring(copy: CopyOfTable): readonly string[] {
  return [`copy ${copy.id} in ${copy.repository} brings it back: wharf recover copies`]
}

function remediesFor(
  table: UnloggedTable,
  copy: CopyOfTable | undefined,
  replay: Replayable | undefined,
): readonly string[] {
  const name = `${table.database}.${table.schema}.${table.name}`
  const load = table.lastLoad
  return [
    copy
      ? `copy: wharf backup copy makes a new one (the last, ${copy.id}, is older than the last write)`
      : `copy: add "${name}" to backup.<warehouse>.unlogged.copy, then wharf backup copy`,
    ...(replay
      ? [`replay: ${countOf(replay)} bring a part of it back: ${replay.missing ?? 'others wrote to it too'}`]
      : []),
    load
      ? `replay: run load ${load.id} (${load.pipeline}/${load.task}) again after the recovery${load.inputs.length === 0 ? '' : `, from ${shortList(load.inputs)}`}`
      : 'replay: no load of the journal wrote it; whoever did must write it again',
    `protect: alter table ${table.schema}.${table.name} set logged`,
  ]
}

function shortList(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}

/** Tables that the newest backup left out because of their tier. */
function scratchOf(manifest: Manifest | undefined): readonly Unprotected[] {
  if (!manifest) return []
  const since = new Date(manifest.startedMs).toISOString()
  return manifest.relations
    .filter((one) => one.tier === 'scratch' && one.persistence === 'p' && ['r', 'm'].includes(one.kind))
    .map((one) => ({
      database: one.database,
      relation: `${one.schema}.${one.name}`,
      bytes: 0,
      why: 'scratch' as const,
      since,
      lastLoad: null,
      foreignWrites: null,
      copy: null,
      copyIsCurrent: false,
      replay: null,
      comesBack: false,
      remedies: ['it is left out by its tier: give it another one under backup.<warehouse>.tiers to protect it'],
    }))
}
