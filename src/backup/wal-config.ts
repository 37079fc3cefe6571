// `wal:` of wharf.yaml: for each warehouse how its WAL is received.
import { z } from 'zod'

import { declaredName, duration } from '../base/config-types.ts'
import { suggestion } from '../base/nearest.ts'
import type { ConfigSection } from '../base/room.ts'

const entry = z.strictObject({
  receive: z.boolean().default(true).describe('whether `wharf up` receives the WAL of this warehouse'),
  mode: z
    .enum(['stream', 'archive', 'both'])
    .default('stream')
    .describe(
      'how WAL comes: streamed through a slot, by archive_command (wharf wal archive-command prints it), or both at once',
    ),
  slot: z
    .string()
    .regex(/^[a-z0-9_]{1,63}$/, 'lower case letters, digits and _ only')
    .optional()
    .describe('name of the replication slot; default: wharf_<warehouse>'),
  seal_after: duration()
    .prefault('5s')
    .describe('WAL that came is stored after this time, even if its segment is not full'),
  alive_after: duration()
    .prefault('45s')
    .describe('a connection is given up when the server has said nothing for this long'),
})

const schema = z.record(declaredName(), entry).prefault({})

export type WalConfig = z.output<typeof schema>
export type WalPolicy = z.output<typeof entry>

/** Whether WAL is streamed: by `wharf up` if `receive` says so, and by whoever needs it now. */
export function streams(policy: WalPolicy): boolean {
  return policy.mode !== 'archive'
}

/** What holds for a warehouse without an entry. */
export const defaultWalPolicy: WalPolicy = entry.parse({})

export const walSection: ConfigSection<WalConfig> = {
  key: 'wal',
  schema,
  check: (value, all) => {
    const declared = all['warehouses']
    const known = typeof declared === 'object' && declared !== null ? Object.keys(declared) : []
    return Object.keys(value)
      .filter((name) => !known.includes(name))
      .map((name) => {
        const hint = suggestion(name, known)
        return {
          path: ['wal', name],
          message: `no warehouse is called "${name}"`,
          ...(hint === undefined ? {} : { hint }),
        }
      })
  },
}

/** `retail-eu` → `wharf_retail_eu`. */
export function slotName(warehouse: string, policy: WalPolicy): string {
  return policy.slot ?? `wharf_${warehouse.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')}`.slice(0, 63)
}
