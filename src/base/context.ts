// Builds a Context from the list of rooms: services on first use, each once, disposed in reverse order.
import type { Clock } from './clock.ts'
import type { Environment } from './environment.ts'
import type { Log } from './log.ts'
import type { Random } from './random.ts'
import {
  roomErrors,
  type ConfigSection,
  type Context,
  type ExtensionPoint,
  type Room,
  type ServiceKey,
} from './room.ts'

export interface ContextParts {
  readonly clock: Clock
  readonly random: Random
  readonly environment: Environment
  readonly log: Log
  readonly home: string
  readonly configFile: string
  readonly rooms: readonly Room[]
  /** Validated sections by key. */
  readonly sections: Readonly<Record<string, unknown>>
}

/** The context of one program run. What its services defer is disposed with `scope`. */
export function createContext(parts: ContextParts, scope: AsyncDisposableStack): Context {
  const built = new Map<string, Promise<unknown>>()
  const { sections, ...rest } = parts
  const context: Context = {
    ...rest,
    section: <T>(section: ConfigSection<T>): T => sections[section.key] as T,
    offers: <T>(point: ExtensionPoint<T>): readonly T[] =>
      parts.rooms
        .flatMap((room) => room.offers ?? [])
        .filter((one) => one.point === point.name)
        .map((one) => one.value as T),
    use: <T>(key: ServiceKey<T>): Promise<T> => {
      const known = built.get(key.name)
      if (known) return known as Promise<T>
      const provider = parts.rooms.flatMap((room) => room.services ?? []).find((one) => one.key.name === key.name)
      if (!provider) return Promise.reject(roomErrors.noService(key.name))
      const made = Promise.resolve(provider.build(context, scope))
      built.set(key.name, made)
      made.catch(() => built.delete(key.name))
      return made as Promise<T>
    },
  }
  return context
}
