// How rooms fit together without importing each other: services by key, extension points, one explicit list in app.
import type { z } from 'zod'

import type { Clock } from './clock.ts'
import type { Environment } from './environment.ts'
import { defineErrors } from './errors.ts'
import type { Log } from './log.ts'
import type { AnyOperation } from './operation.ts'
import type { Random } from './random.ts'

/** Names something that a room builds once and others use: `const warehouses = serviceKey<Warehouses>('warehouses')`. */
export interface ServiceKey<T> {
  readonly name: string
  readonly type?: T
}

export function serviceKey<T>(name: string): ServiceKey<T> {
  return { name }
}

/** Builds a service when it is first used; what it defers on `scope` runs when the program ends, last built first. */
export interface ServiceProvider<T = unknown> {
  readonly key: ServiceKey<T>
  build(context: Context, scope: AsyncDisposableStack): Promise<T> | T
}

export function provide<T>(key: ServiceKey<T>, build: ServiceProvider<T>['build']): ServiceProvider {
  return { key, build }
}

/** A list that any room may add to, e.g. run kinds or probes; owned by the room that walks it. */
export interface ExtensionPoint<T> {
  readonly name: string
  readonly type?: T
}

export interface Offer {
  readonly point: string
  readonly value: unknown
}

export function extensionPoint<T>(name: string): ExtensionPoint<T> {
  return { name }
}

export function offer<T>(point: ExtensionPoint<T>, value: T): Offer {
  return { point: point.name, value }
}

/** A key of wharf.yaml: its schema (strict) and documentation come from the room that owns it. */
export interface ConfigSection<T = unknown> {
  readonly key: string
  /** Must accept `undefined` (the section left out) through a default. */
  readonly schema: z.ZodType<T>
  /** Dangling names and other checks across sections. Paths are those of the document, e.g. `['loads', 'x', 'warehouse']`. */
  check?(value: T, all: Readonly<Record<string, unknown>>): readonly ConfigFinding[]
}

export interface ConfigFinding {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint?: string
}

/** SQL of `migrations/NNNN-what.sql`, applied in order of number within a room, rooms in order of app/rooms.ts. */
export interface Migration {
  readonly name: string
  readonly file: URL
}

/** Work in the background of `wharf up`: receivers, schedulers, probes. Returns when the signal aborts and all is drained. */
export interface Daemon {
  readonly name: string
  run(context: Context, signal: AbortSignal, tools: DaemonTools): Promise<void>
}
/** `wharf up` stops in three steps, each with a bound: `signal` (drain), then `hurry` (give up what runs), then the process ends. */
export interface DaemonTools {
  /** Says something that the operator should see once on the terminal: `console: http://127.0.0.1:7411`. May hold a new password. */
  readonly announce: (line: string) => void
  /** Aborted when draining took too long: leave running work as it is and return. */
  readonly hurry: AbortSignal
}
export const daemons = extensionPoint<Daemon>('daemon')

/**
 * What `wharf up` does where there is no wharf.yaml: may write one at `context.configFile` (the demo). The program then
 * reads its configuration anew. `confirm` asks on a terminal and is true where nobody can be asked.
 */
export interface FirstStart {
  readonly name: string
  run(
    context: Context,
    tools: { confirm(question: string): Promise<boolean> },
    signal: AbortSignal,
  ): Promise<'written' | 'declined'>
}
export const firstStarts = extensionPoint<FirstStart>('first start')

/** One line of `wharf doctor`. */
export interface DoctorCheck {
  readonly name: string
  run(context: Context, signal: AbortSignal): Promise<DoctorResult>
}
export interface DoctorResult {
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped'
  readonly message: string
  readonly hint?: string
}
export const doctorChecks = extensionPoint<DoctorCheck>('doctor check')

/** Gauges and counters for /metrics, gathered when asked for. Names follow OpenMetrics; units are in the names. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter'
  readonly samples: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}
export interface MetricSource {
  readonly name: string
  gather(context: Context, signal: AbortSignal): Promise<readonly MetricFamily[]>
}
export const metricSources = extensionPoint<MetricSource>('metric source')

/** What a room is. `room.ts` of each room exports one; importing it does nothing. */
export interface Room {
  readonly name: string
  readonly summary: string
  readonly config?: readonly ConfigSection[]
  readonly operations?: readonly AnyOperation[]
  /** What help says beside a word that more words follow (`wal` of `wal status`). Each such word stands in one room. */
  readonly groups?: Readonly<Record<string, string>>
  readonly migrations?: readonly Migration[]
  readonly services?: readonly ServiceProvider[]
  readonly offers?: readonly Offer[]
}

/** What everything runs in: clock, log, configuration, and the way to the other rooms' services. */
export interface Context {
  readonly clock: Clock
  readonly random: Random
  readonly environment: Environment
  readonly log: Log
  /** Folder of all local state (WHARF_HOME), absolute. */
  readonly home: string
  /** The validated value of a section of wharf.yaml (its default where it is left out). */
  section<T>(section: ConfigSection<T>): T
  /** Path of wharf.yaml, absolute, whether it exists or not. */
  readonly configFile: string
  /** The service, built on first use. Rejects with `base.no-service` where no room provides it. */
  use<T>(key: ServiceKey<T>): Promise<T>
  offers<T>(point: ExtensionPoint<T>): readonly T[]
  /** All rooms, in order: for the CLI, the server and migrations, which are handed this list. */
  readonly rooms: readonly Room[]
}

export const roomErrors = defineErrors('base', {
  noService: {
    exit: 'failed',
    message: (name: string) => `no room provides the service "${name}"`,
    hint: () => 'this is a defect of the program: please report it',
  },
})
