// Log sequence numbers: byte positions in the WAL of one cluster. Always bigint; text as PostgreSQL prints it.
import { defineErrors } from '../base/errors.ts'

/** A byte position in WAL. Only comparable within one history of timelines of one system identifier. */
export type Lsn = bigint

const errors = defineErrors('wal', {
  badLsn: {
    exit: 'usage',
    message: (text: string) => `not an LSN: "${text}"`,
    hint: () => 'two hexadecimal numbers with a slash, as PostgreSQL prints them, for example 0/3000060',
  },
})

/** `16/B374D848` → bigint. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  if (!match) throw errors.badLsn(text)
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/** bigint → `16/B374D848`. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & 0xffff_ffffn).toString(16).toUpperCase()}`
}
