import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { configJsonSchema } from '../config/json-schema.ts'
import { sectionsOf } from '../config/load.ts'

export const configSchema = defineOperation({
  name: 'config schema',
  summary: 'print the JSON Schema of wharf.yaml, for editors',
  description: [
    'From the same source as the checks of `wharf config check`.',
    'Save it and name it in the first line of wharf.yaml:\n  # yaml-language-server: $schema=./wharf.schema.json',
  ].join('\n\n'),
  input: z.strictObject({}),
  output: z.record(z.string(), z.unknown()),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: (_input, context) => Promise.resolve(configJsonSchema(sectionsOf(context.rooms))),
  text: (schema) => JSON.stringify(schema, undefined, 2),
})
