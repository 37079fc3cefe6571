import { z } from 'zod'

import type { ConfigSection } from '../../base/room.ts'

/** JSON Schema (draft 2020-12) of wharf.yaml, from the very schemas that validate it. For editors. */
export function configJsonSchema(declared: readonly ConfigSection[]): Record<string, unknown> {
  const whole = z.strictObject(Object.fromEntries(declared.map((section) => [section.key, section.schema.optional()])))
  const schema = z.toJSONSchema(whole, { io: 'input', unrepresentable: 'any', reused: 'inline' }) as Record<
    string,
    unknown
  >
  return { title: 'wharf.yaml', description: 'Configuration of Wharfinger', ...schema }
}
