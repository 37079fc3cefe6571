import { z } from 'zod'

import { declaredName, duration, whole } from '../base/config-types.ts'
import type { ConfigSection } from '../base/room.ts'

export const runsSchema = z
  .strictObject({
    slots: whole(1, 1000).default(4).describe('how many tasks this process works on at once'),
    pools: z
      .record(declaredName(), whole(0, 10_000))
      .default({})
      .describe('budgets that tasks draw on: name and number of slots, over all processes'),
    lease: duration().prefault('15s').describe('how long a worker may be silent before its tasks go to another one'),
    drain: duration().prefault('20s').describe('how long running tasks may go on when the process is asked to stop'),
  })
  .prefault({})

export type RunsConfig = z.output<typeof runsSchema>

export const runsSection: ConfigSection<RunsConfig> = { key: 'runs', schema: runsSchema }
