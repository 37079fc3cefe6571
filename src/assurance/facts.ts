// Asking the rooms below. Whatever cannot be asked becomes a reason, never a hole that looks like good news.
import { isWharfError, messageOf, type WharfError } from '../base/errors.ts'
import type { Context, ServiceKey } from '../base/room.ts'
import {
  protection,
  type OverdueCheck,
  type Protection,
  type RecoverableRange,
  type WalStatus,
} from '../backup/contract.ts'
import { loadActivity, type LoadRun } from '../loads/contract.ts'
import {
  recoveryEstimates,
  type DrillStanding,
  type RecoveryEstimate,
  type RecoveryEstimates,
} from '../recovery/contract.ts'
import { errors } from './errors.ts'

/** An answer, or why there is none. */
export type Known<T> = { readonly known: true; readonly value: T } | { readonly known: false; readonly why: Failure }
export interface Failure {
  readonly what: string
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

export type Backups = Awaited<ReturnType<Protection['backups']>>
export type WalRanges = Awaited<ReturnType<Protection['walRanges']>>

export interface Facts {
  readonly warehouse: string
  readonly repositories: readonly string[]
  readonly wal: Known<readonly WalStatus[]>
  readonly backups: Known<Backups>
  readonly window: Known<readonly RecoverableRange[]>
  readonly walRanges: Known<WalRanges>
  readonly checks: Known<readonly OverdueCheck[]>
  readonly unlogged: Known<{ readonly relations: number; readonly bytes: number }>
  readonly estimate: Known<RecoveryEstimate | undefined>
  readonly proof: Known<Awaited<ReturnType<RecoveryEstimates['lastProof']>>>
  readonly loads: Known<readonly LoadRun[]>
  readonly drills?: Known<DrillStanding | undefined>
}

// A repository that hangs must not make the status hang: then it is unknown, and said so.
const ANSWER_WITHIN_MS = 15_000
const SLOW_FACTS_FOR_MS = 10_000
const LOADS_FOR_MS = 2000
const RECENT_LOADS = 12

interface Kept {
  readonly atMs: number
  readonly answer: Promise<Known<unknown>>
}

/** Gathers facts. Slow ones (they read the repository) are kept for some seconds, and asked once for many askers. */
export class FactGatherer {
  private readonly context: Context
  private readonly life: AbortSignal
  private readonly kept = new Map<string, Kept>()

  /** `life` ends everything that is still being asked. */
  constructor(context: Context, life: AbortSignal) {
    this.context = context
    this.life = life
  }

  async warehouses(): Promise<Known<readonly { readonly name: string; readonly repositories: readonly string[] }[]>> {
    return this.ask('the declared warehouses', async () => (await this.context.use(protection)).warehouses())
  }

  async gather(warehouse: string, repositories: readonly string[]): Promise<Facts> {
    const ofProtection = this.asker(protection, warehouse)
    const ofEstimates = this.asker(recoveryEstimates, warehouse)
    const ofLoads = this.asker(loadActivity, warehouse)
    const [wal, backups, window, walRanges, checks, unlogged, estimate, proof, loads, drills] = await Promise.all([
      this.ask(`receiving of ${warehouse}`, async (signal) =>
        (await this.context.use(protection)).walStatus(warehouse, signal),
      ),
      ofProtection('backups', SLOW_FACTS_FOR_MS, (one, signal) => one.backups(warehouse, signal)),
      ofProtection('the recoverable window', SLOW_FACTS_FOR_MS, (one, signal) =>
        one.recoverableWindow(warehouse, signal),
      ),
      ofProtection('kept WAL', SLOW_FACTS_FOR_MS, (one, signal) => one.walRanges(warehouse, signal)),
      ofProtection('checks of repositories', SLOW_FACTS_FOR_MS, (one, signal) => one.overdueChecks(warehouse, signal)),
      ofProtection('unlogged relations', SLOW_FACTS_FOR_MS, (one, signal) => one.unlogged(warehouse, signal)),
      ofEstimates('the time to recover', SLOW_FACTS_FOR_MS, (one, signal) => one.estimate(warehouse, signal)),
      ofEstimates('the last proof', SLOW_FACTS_FOR_MS, (one, signal) => one.lastProof(warehouse, signal)),
      ofLoads('loads', LOADS_FOR_MS, (one, signal) => one.recent(warehouse, { limit: RECENT_LOADS, signal })),
      ofEstimates('drills', SLOW_FACTS_FOR_MS, async (one, signal) => await one.drills?.(warehouse, signal)),
    ])
    return {
      warehouse,
      repositories,
      wal,
      backups,
      window,
      walRanges,
      checks,
      unlogged,
      estimate,
      proof,
      loads,
      drills,
    }
  }

  private asker<Service>(key: ServiceKey<Service>, warehouse: string) {
    return <T>(
      what: string,
      keepMs: number,
      question: (service: Service, signal: AbortSignal) => Promise<T>,
    ): Promise<Known<T>> => {
      const name = `${what} of ${warehouse}`
      const known = this.kept.get(name)
      const now = this.context.clock.monotonic()
      if (known && now - known.atMs < keepMs) return known.answer as Promise<Known<T>>
      const answer = this.ask(name, async (signal) => question(await this.context.use(key), signal))
      this.kept.set(name, { atMs: now, answer })
      return answer
    }
  }

  /** One question with a time-out of its own. */
  async ask<T>(what: string, question: (signal: AbortSignal) => Promise<T>): Promise<Known<T>> {
    const own = new AbortController()
    const signal = AbortSignal.any([own.signal, this.life])
    const late = this.context.clock.sleep(ANSWER_WITHIN_MS, own.signal).then(() => {
      throw errors.tooSlow({ what, seconds: ANSWER_WITHIN_MS / 1000 })
    })
    try {
      return { known: true, value: await Promise.race([question(signal), late]) }
    } catch (error) {
      this.reportDefect(what, error)
      return { known: false, why: failure(what, error) }
    } finally {
      late.catch(() => {})
      own.abort(new Error('answered'))
    }
  }

  private reportDefect(what: string, error: unknown): void {
    if (!isWharfError(error) && !this.life.aborted) this.context.log.warn({ err: error, what }, 'status could not ask')
  }
}

function failure(what: string, error: unknown): Failure {
  const known: WharfError | undefined = isWharfError(error) ? error : undefined
  return { what, code: known?.code ?? 'assurance.unknown', message: messageOf(error), hint: known?.hint ?? null }
}
