// Expiry of one warehouse: what policy lets go gets a tombstone, what has had one for long enough is deleted.
import type { Progress } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { existingControlDatabase } from '../../control/running.ts'
import { declaredRepository } from '../../repository/config.ts'
import { repositories, type Repository } from '../../repository/contract.ts'
import { keyErrors as repositoryErrors } from '../../repository/key-errors.ts'
import {
  markExpired,
  planExpiry,
  sweepExpired,
  trimPacks,
  unlockPruneKey,
  type RootCache,
} from '../../repository/prune.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { backupSection } from '../config.ts'
import { rulesOf, type Retention } from './config.ts'
import type { Held } from './policy.ts'
import { survey, type Survey } from './survey.ts'

export const DEFAULT_GRACE_MS = 3 * 86_400_000

/** What expiry of one repository would do, or did. */
export interface Expiry {
  readonly repository: string
  readonly survey: Survey
  /** Objects and bytes that go with the backups that expire now, and garbage. */
  readonly marked: { readonly objects: number; readonly bytes: number; readonly wal: number; readonly garbage: number }
  readonly deleted: { readonly objects: number; readonly bytes: number; readonly backups: readonly string[] }
  readonly left: readonly { readonly object: string; readonly why: string }[]
  readonly graceMs: number
}

export interface ExpiryRequest {
  readonly warehouse: string
  readonly repository?: string | undefined
}

interface Tools {
  readonly signal: AbortSignal
  readonly report?: (event: Progress) => void
}

export function retentionOf(context: Context, warehouse: string): Retention | undefined {
  return context.section(backupSection)[warehouse]?.retention
}

export async function repositoriesOf(context: Context, request: ExpiryRequest): Promise<readonly string[]> {
  const { declaration } = (await context.use(warehouses)).get(request.warehouse)
  return request.repository === undefined ? declaration.repositories : [request.repository]
}

/** Holds of the control database, where there is one. Rejects where it cannot be asked. */
export async function controlHolds(context: Context): Promise<readonly Held[]> {
  const control = await existingControlDatabase(context)
  const holds = (await control?.holds({ kind: 'backup' })) ?? []
  // Blocks that turned bad need all WAL since the last good image.
  return holds.map(({ subject, reason, id }) => ({
    backup: subject,
    reason,
    wal: id.includes('/corrupt-since/') ? 'since' : 'own',
  }))
}

/** What would happen now; needs no prune key and changes nothing. */
export async function planRepository(
  repository: Repository,
  request: { readonly warehouse: string; readonly retention: Retention | undefined; readonly holds: readonly Held[] },
  signal: AbortSignal,
): Promise<Expiry> {
  const found = await look(repository, request, signal)
  const graceMs = request.retention?.grace ?? DEFAULT_GRACE_MS
  const marked = await planExpiry(repository, markRequest(request.warehouse, found, graceMs), signal)
  const { name } = repository
  return { repository: name, survey: found, marked, deleted: { objects: 0, bytes: 0, backups: [] }, left: [], graceMs }
}

function look(
  repository: Repository,
  request: { readonly warehouse: string; readonly retention: Retention | undefined; readonly holds: readonly Held[] },
  signal: AbortSignal,
): Promise<Survey> {
  const { warehouse, retention, holds } = request
  return survey(repository, { warehouse, rules: rulesOf(retention), moreHolds: holds }, signal)
}

function markRequest(warehouse: string, found: Survey, graceMs: number) {
  return {
    backups: found.decision.expired.map(({ id }) => ({ warehouse, id })),
    wal: found.wal.map((one) => one.object),
    reason: 'no retention rule keeps it',
    graceMs,
  }
}

/** Marks and deletes in one repository. Rejects with `repository.no-prune-declared`, `.wrong-prune-key`. */
export async function expireRepository(
  name: string,
  request: ExpiryRequest,
  context: Context,
  tools: Tools,
): Promise<Expiry> {
  const { signal, report } = tools
  const { warehouse } = request
  const declared = declaredRepository(context, name)
  if (!declared.prune) throw repositoryErrors.noPruneDeclared({ name })
  const repository = await (await context.use(repositories)).open(name, signal)
  const key = await unlockPruneKey(repository, declared.prune, signal)
  const retention = retentionOf(context, warehouse)
  const cache: RootCache = new Map()
  report?.({ phase: 'choosing', note: name })
  const holds = async (): Promise<readonly Held[]> => await controlHolds(context)
  const found = await look(repository, { warehouse, retention, holds: await holds() }, signal)
  const graceMs = retention?.grace ?? DEFAULT_GRACE_MS
  const marked = await markExpired(repository, markRequest(warehouse, found, graceMs), { key, signal, cache })
  const deleted = await sweepExpired(repository, {
    key,
    signal,
    cache,
    held: async () => new Set((await holds()).map((one) => one.backup)),
    ...(report ? { progress: report } : {}),
  })
  report?.({ phase: 'compacting', note: name })
  await trimPacks(repository, { graceMs }, { key, signal, cache })
  const { objects, bytes, garbage } = marked
  return {
    repository: name,
    survey: found,
    marked: { objects, bytes, garbage, wal: found.wal.length },
    deleted,
    left: deleted.left,
    graceMs,
  }
}
