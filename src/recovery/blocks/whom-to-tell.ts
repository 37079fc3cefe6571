// The repositories that must know of a healed block: each has parents of its own, which hold what was there before.
import { isWharfError } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import type { Repository } from '../../repository/contract.ts'
import { repositories } from '../../repository/contract.ts'
import { warehouses } from '../../warehouse/contract.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'

export interface WhomToTell {
  readonly repositories: readonly Repository[]
  /** Who of them cannot be told. */
  readonly notes: readonly string[]
}

export const nobody: WhomToTell = { repositories: [], notes: [] }

/** Rejects where one cannot be opened; where the repository was named by its place, as on a machine that has no more than that, it is noted instead. */
export async function whomToTell(
  chosen: Repository,
  choice: RepositoryChoice,
  { context, signal }: { readonly context: Context; readonly signal: AbortSignal },
): Promise<WhomToTell> {
  const isByPlace = choice.repositoryPath !== undefined || choice.repositoryS3 !== undefined
  const service = await context.use(repositories)
  const places = new Map(service.list().map((one) => [one.name, one.location]))
  const declared = (await context.use(warehouses)).list().find((one) => one.name === choice.warehouse)
  const found: Repository[] = isByPlace ? [chosen] : []
  const notes: string[] = []
  for (const name of declared?.repositories ?? []) {
    if (isByPlace && (!places.has(name) || places.get(name) === chosen.store.location)) continue
    try {
      found.push(await service.open(name, signal))
    } catch (error) {
      if (!isByPlace || signal.aborted || !isWharfError(error)) throw error
      notes.push(`repository ${name} was not told, ${error.message}: its next backup must be an --independent one`)
    }
  }
  return { repositories: found, notes }
}
