// One copy of unlogged tables as command and daemon start it: chosen by name, kept in number, told by events.
import type { Progress } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import { repositories, type Repository, type TableCopy } from '../repository/contract.ts'
import { warehouses } from '../warehouse/contract.ts'
import { backupSection, defaultPolicy } from './config.ts'
import { backupErrors } from './errors.ts'
import { openEvents } from './events.ts'
import { copyUnlogged } from './unlogged/copy.ts'

export interface TakenCopy {
  readonly repository: string
  readonly copy: TableCopy
  /** Older ones that were removed. */
  readonly removed: readonly string[]
}

interface Tools {
  readonly report: (event: Progress) => void
  readonly signal: AbortSignal
}

/** Into each repository of the warehouse. Resolves when every copy is durable and those beyond the number to keep are removed. */
export async function runCopy(
  request: { readonly warehouse: string; readonly patterns?: readonly string[] | undefined },
  context: Context,
  tools: Tools,
): Promise<readonly TakenCopy[]> {
  const warehouse = (await context.use(warehouses)).get(request.warehouse)
  const policy = context.section(backupSection)[request.warehouse] ?? defaultPolicy
  const names = warehouse.declaration.repositories
  if (names.length === 0) throw backupErrors.noRepository({ warehouse: request.warehouse })
  const patterns = request.patterns ?? policy.unlogged.copy
  const service = await context.use(repositories)
  const taken: TakenCopy[] = []
  for (const name of names) {
    const repository = await service.open(name, tools.signal)
    const copy = await copyUnlogged({ warehouse, repository, patterns, ...tools })
    const removed = await removeOld(repository, request.warehouse, { keep: policy.unlogged.keep, signal: tools.signal })
    taken.push({ repository: name, copy, removed })
    const { id, tables } = copy
    await openEvents(context, request.warehouse).emit('backup.copied', {
      copy: id,
      repository: name,
      tables: tables.length,
      rows: tables.reduce((sum, table) => sum + table.rows, 0),
    })
  }
  return taken
}

/** The newest copies stay; and of every table the newest copy that holds it, whatever its age. */
async function removeOld(
  repository: Repository,
  warehouse: string,
  { keep, signal }: { keep: number; signal: AbortSignal },
): Promise<readonly string[]> {
  const newestFirst = (await repository.copies.list(warehouse, signal)).toReversed()
  const seen = new Set<string>()
  const removed: string[] = []
  for (const [index, copy] of newestFirst.entries()) {
    const names = copy.tables.map((table) => `${table.database}\n${table.schema}\n${table.name}`)
    const isOnly = names.some((name) => !seen.has(name))
    for (const name of names) seen.add(name)
    if (index < keep || isOnly) continue
    await repository.copies.remove(copy, signal)
    removed.push(copy.id)
  }
  return removed
}
