// `wal:` of wharf.yaml: for each warehouse how its WAL is received.
import { join, resolve } from 'node:path'

import { z } from 'zod'

import { declaredName, duration, size } from '../base/config-types.ts'
import { suggestion } from '../base/nearest.ts'
import type { ConfigSection } from '../base/room.ts'

/** `10%` of the file system, or a size. */
const floor = z
  .string()
  .regex(/^\d{1,2}%$/, 'a share like 10%, or a size like 20GB')
  .transform((text) => ({ percent: Number(text.slice(0, -1)) }))
  .or(size().transform((bytes) => ({ bytes })))

const guard = z.strictObject({
  free_floor: floor
    .prefault('10%')
    .describe('when less is free where the server keeps its WAL, and our slot holds WAL there, the slot is given up'),
})

const entry = z.strictObject({
  guard: guard.prefault({}).describe('the slot never fills the disk of the server'),
  receive: z.boolean().default(true).describe('whether `wharf up` receives the WAL of this warehouse'),
  mode: z
    .enum(['stream', 'archive', 'both'])
    .default('stream')
    .describe(
      'how WAL comes: streamed through a slot, by archive_command (wharf wal archive-command prints it), or both at once',
    ),
  synchronous: z
    .boolean()
    .default(false)
    .describe(
      'WAL counts as received once it is fsynced on this host: for synchronous_standby_names, where we go by the name of the slot',
    ),
  spool: z
    .string()
    .min(1)
    .optional()
    .describe(
      'folder of the synchronous spool, on a disk that keeps what is fsynced; default: wal-spool/<warehouse> in the home folder',
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

/** Absolute path of the synchronous spool; undefined where receiving is not synchronous. */
export function spoolFolder(warehouse: string, policy: WalPolicy, home: string): string | undefined {
  return policy.synchronous ? resolve(home, policy.spool ?? join('wal-spool', warehouse)) : undefined
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
