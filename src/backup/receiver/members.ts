// The repositories of a warehouse as the receiver sees them: some must hold WAL before the server hears that it is durable, some only follow.
import { isWharfError } from '../../base/errors.ts'
import type { Repository } from '../../repository/contract.ts'

export interface Member {
  readonly name: string
  /** WAL counts as durable only where it is here. What is not required is caught up from the others and holds nobody up. */
  readonly required: boolean
  /** May fail now and succeed later. */
  open(signal: AbortSignal): Promise<Repository>
}

export function openedMember(repository: Repository): Member {
  return { name: repository.name, required: true, open: () => Promise.resolve(repository) }
}

/** Whether it is the store that is away or full, as opposed to what it holds being wrong: others may go on without it. */
export function isStoreTrouble(error: unknown): boolean {
  return isWharfError(error) && error.code.startsWith('repository.') && error.exit !== 'damaged'
}
