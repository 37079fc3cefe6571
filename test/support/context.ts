// A context for tests: real clock, silent log, sections from their schemas' defaults unless given.
import { join } from 'node:path'

import { systemClock, type Clock } from '../../src/base/clock.ts'
import { createContext } from '../../src/base/context.ts'
import { processEnvironment } from '../../src/base/environment.ts'
import { silentLog, type Log } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import type { Context, Room } from '../../src/base/room.ts'

export interface TestContextOptions {
  readonly home: string
  readonly rooms: readonly Room[]
  /** As they would stand in wharf.yaml, by key; parsed with the room's schema. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly log?: Log
  readonly clock?: Clock
  /** Default: wharf.yaml in `home`. */
  readonly configFile?: string
}

/** Services are disposed of with `scope`. */
export function testContext(options: TestContextOptions, scope: AsyncDisposableStack): Context {
  const declared = options.rooms.flatMap((room) => room.config ?? [])
  const sections = declared.map(
    (section) => [section.key, section.schema.parse(options.config?.[section.key])] as const,
  )
  return createContext(
    {
      clock: options.clock ?? systemClock,
      random: systemRandom,
      environment: processEnvironment(),
      log: options.log ?? silentLog,
      home: options.home,
      configFile: options.configFile ?? join(options.home, 'wharf.yaml'),
      rooms: options.rooms,
      sections: Object.fromEntries(sections),
    },
    scope,
  )
}
