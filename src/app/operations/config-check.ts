import { z } from 'zod'

import { formatPlace } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { examineNow } from '../reopen.ts'

export const placeSchema = z.object({
  file: z.string().optional(),
  line: z.number().optional(),
  column: z.number().optional(),
})

export const configCheck = defineOperation({
  name: 'config check',
  summary: 'check wharf.yaml and name everything that is wrong',
  description: 'Exit code 10 where something is wrong. Nothing is contacted: `wharf doctor` does that.',
  input: z.strictObject({}),
  output: z.strictObject({
    file: z.string(),
    exists: z.boolean(),
    findings: z.array(z.strictObject({ place: placeSchema, message: z.string(), hint: z.string().optional() })),
  }),
  role: 'viewer',
  danger: 'none',
  errors: ['config.not-there', 'config.unreadable'],
  needs: 'nothing',
  where: 'here',
  run: async (_input, context) => {
    const { findings, exists } = await examineNow(context)
    return {
      file: context.configFile,
      exists,
      findings: findings.map(({ place, message, hint }) => ({
        place: { ...place },
        message,
        ...(hint === undefined ? {} : { hint }),
      })),
    }
  },
  text: ({ file, exists, findings }) => {
    if (findings.length === 0) return exists ? `${file}: sound` : `${file} does not exist: everything has its default`
    const lines = findings.flatMap(({ place, message, hint }) => [
      `${formatPlace(place as { file: string })}: ${message}`,
      ...(hint === undefined ? [] : [`  hint: ${hint}`]),
    ])
    return [...lines, findings.length === 1 ? '1 error' : `${findings.length} errors`].join('\n')
  },
  exit: ({ findings }) => (findings.length === 0 ? 'ok' : 'findings'),
})
