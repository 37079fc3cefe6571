import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { explainConfig, formatExplained, type ExplainedValue } from '../config/explain.ts'
import { invalidConfig } from '../config/findings.ts'
import { sectionsOf } from '../config/load.ts'
import { examineNow } from '../reopen.ts'
import { placeSchema } from './config-check.ts'

const valueSchema = z.object({
  path: z.string(),
  value: z.string(),
  from: z.enum(['file', 'default']),
  place: placeSchema.optional(),
})

export const configExplain = defineOperation({
  name: 'config explain',
  summary: 'show the effective configuration and where each value comes from',
  description: 'Secrets are hidden; ${env:…} and ${file:…} are shown as written.',
  input: z.strictObject({}),
  output: z.strictObject({ file: z.string(), home: z.string(), values: z.array(valueSchema) }),
  role: 'admin',
  danger: 'none',
  errors: ['config.invalid', 'config.not-there', 'config.unreadable'],
  needs: 'nothing',
  where: 'here',
  run: async (_input, context) => {
    const loaded = await examineNow(context)
    if (loaded.findings.length > 0) throw invalidConfig(loaded.findings)
    const values = explainConfig(loaded, sectionsOf(context.rooms))
    return { file: context.configFile, home: context.home, values: values as z.infer<typeof valueSchema>[] }
  },
  text: ({ file, home, values }) =>
    [`# home: ${home}`, `# file: ${file}`, formatExplained(values as readonly ExplainedValue[])].join('\n'),
})
