// `backup.<warehouse>.source` and `throttle` of wharf.yaml: how the files of the cluster are read, and how fast.
import { z } from 'zod'

import { duration, size } from '../base/config-types.ts'
import { DEFAULT_PROBE } from './throttle/guard.ts'
import type { ThrottlePolicy } from './throttle/throttle.ts'

const reading = z.enum(['disk', 'sql'])

const standby = z.strictObject({
  from: z.literal('standby').describe('the server that warehouses.<name>.standby names'),
  read: reading
    .default('disk')
    .describe("disk: the standby's data directory on this machine; sql: through sessions with it"),
  wait: duration().prefault('10m').describe('how long the standby may replay nothing before the backup gives up'),
})

const command = z.array(z.string().min(1)).min(1)

const snapshot = z.strictObject({
  from: z
    .literal('snapshot')
    .describe('a snapshot of the storage, taken by programs of yours while the server is in backup mode'),
  snapshot: command.describe(
    'takes the snapshot: it exists when the program ends with 0. {id}, {warehouse} and {data_directory} are filled in, also as WHARF_… in its environment',
  ),
  mount: command.optional().describe('makes it readable'),
  release: command.describe('undoes both; always run, also after a failure or a crash, perhaps twice'),
  path: z.string().min(1).describe('where the data directory is found in the mounted snapshot'),
  tablespaces: z
    .record(z.string(), z.string())
    .default({})
    .describe('location of a tablespace at the server: where it is found in the mounted snapshot'),
  timeout: duration().prefault('10m').describe('how long each program may take'),
})

export const sourceSchema = z
  .union([z.enum(['disk', 'sql', 'standby']), z.discriminatedUnion('from', [standby, snapshot])])
  .default('disk')
  .describe(
    'disk: the data directory on this machine; sql: through sessions with the server, with the rights that wharf warehouse grants --source sql prints; standby: the files of a standby; or a snapshot of the storage',
  )

export type SourcePolicy = z.output<typeof sourceSchema>

const foreground = z.strictObject({
  query: z
    .string()
    .min(1)
    .default(DEFAULT_PROBE)
    .describe('what is timed on the server all the while: a small read like those that must not suffer'),
  factor: z.number().min(1.1).max(100).default(2).describe('how many times as long as before the backup it may take'),
  target: duration().optional().describe('a time that is always good enough, whatever it took before'),
  floor: size().prefault('4MB').describe('bytes a second that are read however slow the server answers'),
})

export const throttleSchema = z
  .strictObject({
    bytes_per_second: size()
      .optional()
      .describe('how much all threads together read of the data directory in a second'),
    foreground_latency: foreground
      .optional()
      .describe('back off while the queries of the server take longer than before the backup'),
    priority: z
      .enum(['low', 'normal'])
      .default('low')
      .describe('low: copying threads give way to everything else on this machine (Linux)'),
  })
  .optional()
  .describe('what holds a backup back for the sake of everybody else; default: nothing')

export function throttleOf(config: z.output<typeof throttleSchema>): ThrottlePolicy | undefined {
  if (config === undefined) return undefined
  const { bytes_per_second, foreground_latency: latency, priority } = config
  return {
    bytesPerSecond: bytes_per_second,
    foreground: latency && {
      query: latency.query,
      targetMs: latency.target,
      factor: latency.factor,
      floorBytesPerSecond: latency.floor,
    },
    lowPriority: priority === 'low',
  }
}

/** A source as written, with everything that a short form leaves out. */
export type FullSource =
  | { readonly from: 'primary'; readonly read: 'disk' | 'sql' }
  | z.output<typeof standby>
  | z.output<typeof snapshot>

export function fullSource(source: SourcePolicy): FullSource {
  if (source === 'standby') return standby.parse({ from: 'standby' })
  return typeof source === 'string' ? { from: 'primary', read: source } : source
}
