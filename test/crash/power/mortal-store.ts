// A store whose process dies at a chosen call: before the store does it, right after, or when an object is there and not durable yet.
import type { ObjectStore } from '../../../src/repository/contract.ts'

export interface Death {
  /** Of the backup in hand; counted from its beginning. `any`: from now on. */
  readonly phase: string
  /** How many more calls that change the store, or barriers, are lived through. */
  readonly calls: number
  readonly when: 'before' | 'between' | 'after'
  /** Instead of calls: so long after the phase began. Threads copy then, with stores of their own. */
  readonly afterMs?: number
}

const CHANGING: readonly (keyof ObjectStore)[] = ['put', 'create', 'remove', 'barrier', 'now']

export class Fate {
  private death: Death | undefined
  private left: number | undefined

  decide(death: Death): void {
    this.death = death
    this.left = death.phase === 'any' && death.afterMs === undefined ? death.calls : undefined
  }

  /** Told of every phase as it begins. */
  phase(name: string): void {
    if (this.death?.phase !== name) return
    const { afterMs } = this.death
    if (afterMs === undefined) this.left = this.death.calls
    else setTimeout(() => process.kill(process.pid, 'SIGKILL'), afterMs)
  }

  /** The store, mortal. Worker threads have their own, which are not. */
  wrap(store: ObjectStore): ObjectStore {
    return new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        const call = (value as (...args: unknown[]) => unknown).bind(target)
        return CHANGING.includes(name as keyof ObjectStore) ? this.mortal(call) : call
      },
    })
  }

  private mortal(call: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<unknown> {
    return async (...args) => {
      const fatal = this.left !== undefined && this.left-- <= 0
      const { when } = this.death ?? {}
      if (fatal && when === 'before') process.kill(process.pid, 'SIGKILL')
      const result = await call(...(fatal && when === 'between' ? args.map(withoutDurability) : args))
      if (fatal) process.kill(process.pid, 'SIGKILL')
      return result
    }
  }
}

/** Options of a call that must not wait until it is durable. */
export function withoutDurability(argument: unknown): unknown {
  const isOptions = typeof argument === 'object' && argument !== null && 'durable' in argument
  return isOptions ? { ...argument, durable: false } : argument
}
