// The section `targets` of wharf.yaml: what counts as good.
import { z } from 'zod'

import { duration } from '../base/config-types.ts'
import type { ConfigSection } from '../base/room.ts'

const schema = z
  .strictObject({
    rpo: duration()
      .prefault('1m')
      .describe('Most that may be lost. More is a warning; when nothing is received for so long it is critical.'),
    rto: duration().optional().describe('Longest that recovery may take, by prediction. Not checked unless set.'),
    backup_age: duration().prefault('26h').describe('Age of the newest complete backup that is a warning.'),
    proof_age: duration().prefault('30d').describe('Age of the last verified recovery that is a warning.'),
  })
  .prefault({})

export type Targets = z.output<typeof schema>

export const targetsSection: ConfigSection<Targets> = { key: 'targets', schema }
