// What a check found, and how errors become findings.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { ReadOptions } from '../object/decode.ts'

export interface Finding {
  /** Name of the object that is damaged, missing or out of place. */
  readonly object: string
  /** Code of the error, e.g. `repository.damaged-object`. */
  readonly code: string
  readonly message: string
}

export type Depth = 'structure' | 'all'

export interface CheckTools extends ReadOptions {
  readonly depth: Depth
  readonly findings: Findings
  /** Called with the bytes of each object that is done. */
  readonly done: (bytes: number) => void
}

export class Findings {
  readonly list: Finding[] = []
  private readonly seen = new Set<string>()

  /** Each object and message once. */
  add(finding: Finding): void {
    const key = `${finding.object}\n${finding.message}`
    if (this.seen.has(key)) return
    this.seen.add(key)
    this.list.push(finding)
  }

  /** Damage becomes a finding and undefined comes back; failures to reach the store reject. */
  async attempt<T>(object: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!isDamage(error)) throw error
      this.add({ object: error.place?.object ?? object, code: error.code, message: messageOf(error) })
      return undefined
    }
  }
}

export function isDamage(error: unknown): error is Error & { code: string; place?: { object?: string } } {
  return isWharfError(error) && (error.exit === 'damaged' || error.code === 'repository.unknown-format')
}
