// The section `monitor` of wharf.yaml.
import { z } from 'zod'

import { duration, whole } from '../base/config-types.ts'
import type { ConfigSection } from '../base/room.ts'

const schema = z
  .strictObject({
    enabled: z.boolean().prefault(true).describe('Whether warehouses are watched.'),
    interval: duration().prefault('10s').describe('Time between two ticks of the fast lane; at least 1s.'),
    keep: duration().prefault('7d').describe('How long samples are kept.'),
    busy_sessions: whole(1)
      .prefault(64)
      .describe('Above this many active sessions only the essential probes are asked.'),
  })
  .prefault({})

export type MonitorSettings = z.output<typeof schema>

export const monitorSection: ConfigSection<MonitorSettings> = {
  key: 'monitor',
  schema,
  check: (value) =>
    value.interval < 1000 ? [{ path: ['monitor', 'interval'], message: 'the interval must be at least 1s' }] : [],
}
