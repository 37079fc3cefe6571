// The repositories of a warehouse that can be asked now. One that is away must not hide what the others hold.
import type { Repositories, Repository } from '../repository/contract.ts'
import { isStoreTrouble } from './receiver/members.ts'

export interface Reachable {
  readonly opened: readonly Repository[]
  readonly away: readonly { readonly name: string; readonly error: unknown }[]
}

/** Rejects where none can be opened, or where one fails for another reason than trouble of its store. */
export async function openReachable(
  all: Repositories,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Reachable> {
  const opened: Repository[] = []
  const away: { name: string; error: unknown }[] = []
  const done = await Promise.allSettled(names.map((name) => all.open(name, signal)))
  for (const [at, one] of done.entries()) {
    if (one.status === 'fulfilled') opened.push(one.value)
    else if (signal.aborted || !isStoreTrouble(one.reason)) throw one.reason
    else away.push({ name: names[at]!, error: one.reason as unknown })
  }
  if (opened.length === 0 && away.length > 0) throw away[0]!.error
  return { opened, away }
}
