// What a check found, and how errors become findings.
import { isWharfError, messageOf } from '../../base/errors.ts'
import { replacementsOf } from '../heal/names.ts'
import type { ReadOptions } from '../object/decode.ts'

export interface Finding {
  /** Name of the object that is damaged, missing or out of place. */
  readonly object: string
  /** Code of the error, e.g. `repository.damaged-object`. */
  readonly code: string
  readonly message: string
  /** Of a pack: extents that cannot be read, with the file whose blocks they hold. */
  readonly extents?: readonly { readonly number: number; readonly file: string }[]
  /** Ids of the backups that need it. */
  readonly backups?: readonly string[]
}

export type Depth = 'structure' | 'share' | 'all'
/** How much of one object is read. */
export type Level = 'structure' | 'all'

export interface CheckTools extends ReadOptions {
  /** Level of the object, by its name; undefined where it is not looked at this time. */
  readonly levelOf: (name: string) => Level | undefined
  /** Whether all there is is read: then whole files are put together and compared with their hashes as well. */
  readonly everything: boolean
  readonly findings: Findings
  /** Called with the bytes of each object that is done. */
  readonly done: (bytes: number) => void
}

export class Findings {
  readonly list: Finding[] = []
  /** Damaged objects for which a sound replacement stands in. */
  readonly healed = new Set<string>()
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

  /** As attempt(), with the object's replacements where it is damaged: one that is sound makes it sound. */
  async attemptAny<T>(
    object: string,
    options: Pick<ReadOptions, 'store' | 'signal'>,
    work: (name: string) => Promise<T>,
  ): Promise<T | undefined> {
    return await this.attempt(object, async () => {
      try {
        return await work(object)
      } catch (error) {
        if (!isDamage(error)) throw error
        for await (const replacement of replacementsOf(object, options)) {
          try {
            const sound = await work(replacement)
            this.healed.add(object)
            return sound
          } catch (failure) {
            if (!isDamage(failure)) throw failure
          }
        }
        throw error
      }
    })
  }
}

export function isDamage(error: unknown): error is Error & { code: string; place?: { object?: string } } {
  return isWharfError(error) && (error.exit === 'damaged' || error.code === 'repository.unknown-format')
}
