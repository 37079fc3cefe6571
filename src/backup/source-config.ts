// `backup.<warehouse>.source` of wharf.yaml: how the files of the cluster are read.
import { z } from 'zod'

export const sourceSchema = z
  .enum(['disk', 'sql'])
  .default('disk')
  .describe(
    'disk: the data directory on this machine; sql: through sessions with the server, with the rights that wharf warehouse grants --source sql prints',
  )

export type SourcePolicy = z.output<typeof sourceSchema>
