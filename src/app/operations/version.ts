import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatPairs } from '../../base/table.ts'
import { version } from '../version.ts'

export const versionOperation = defineOperation({
  name: 'version',
  summary: 'print the version of wharf and of what it runs on',
  input: z.strictObject({}),
  output: z.strictObject({ wharf: z.string(), node: z.string(), platform: z.string() }),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: (_input, context) =>
    Promise.resolve({
      wharf: version(),
      node: process.versions.node,
      platform: `${context.environment.platform}-${process.arch}`,
    }),
  text: (output) =>
    formatPairs([
      ['wharf', output.wharf],
      ['node', output.node],
      ['platform', output.platform],
    ]),
})
