// What is to be recovered to, and the command that says the same.
import { exactTimeAndUtc } from '../time/times.ts'

export type Target =
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly atMs: number }
  | { readonly kind: 'load'; readonly load: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'lsn'; readonly lsn: string }

/** Query parameters of `recover plan`. */
export function targetQuery(target: Target): Readonly<Record<string, string | boolean>> {
  switch (target.kind) {
    case 'latest':
      return { latest: true }
    case 'time':
      return { at: timeText(target.atMs) }
    case 'load':
      return { beforeLoad: target.load }
    case 'name':
      return { name: target.name }
  }
  return { lsn: target.lsn }
}

/** To the second, in UTC: what the command line takes. */
export function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** In the words of a question: `Sat, 21 Nov 2026, 13:31:04 CET = 2026-11-21 12:31:04 UTC`. */
export function targetText(target: Target): string {
  switch (target.kind) {
    case 'latest':
      return 'the newest that the repository holds'
    case 'time':
      return exactTimeAndUtc(target.atMs)
    case 'load':
      return `just before load ${target.load}`
    case 'name':
      return `restore point ${target.name}`
  }
  return `just before LSN ${target.lsn}`
}

export function isLsn(text: string): boolean {
  return /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(text)
}

/** Names with spaces or commas between; within quotes both belong to the name. */
export function tableNames(text: string): readonly string[] {
  return text.match(/(?:"(?:[^"]|"")*"|[^\s,"])+/g) ?? []
}

const plain = /^[\w@%+=:,./-]+$/

/** A word for a POSIX shell. */
export function shellWord(text: string): string {
  return plain.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** The options of the command line that say the same. */
function targetOptions(target: Target): readonly string[] {
  switch (target.kind) {
    case 'latest':
      return ['--latest']
    case 'time':
      return ['--at', timeText(target.atMs)]
    case 'load':
      return ['--before-load', target.load]
    case 'name':
      return ['--name', target.name]
  }
  return ['--lsn', target.lsn]
}

/** `wharf recover run retail --at 2026-11-21T12:31:04Z --to-directory /srv/copy --start`. */
export function recoverCommand(parts: {
  warehouse: string
  target: Target
  into: string
  start: boolean
  resume: boolean
}): string {
  const { warehouse, target, into, start, resume } = parts
  const words = ['wharf', 'recover', 'run', warehouse, ...targetOptions(target), '--to-directory', into]
  return [...words, ...(start ? ['--start'] : []), ...(resume ? ['--resume'] : [])].map(shellWord).join(' ')
}

/** `wharf recover database shop --warehouse retail --at 2026-11-21T12:31:04Z --as shop_then`. */
export function databaseCommand(parts: { warehouse: string; target: Target; database: string; as: string }): string {
  const { warehouse, target, database, as } = parts
  const words = ['wharf', 'recover', 'database', database, '--warehouse', warehouse, ...targetOptions(target)]
  return [...words, ...(as === '' ? [] : ['--as', as])].map(shellWord).join(' ')
}

export type TableMode = 'beside' | 'swap' | 'merge'

/** `wharf recover table sales.orders --warehouse retail --lsn 0/5000060 --mode merge`. */
export function tableCommand(parts: {
  warehouse: string
  target: Target
  tables: readonly string[]
  mode: TableMode
}): string {
  const { warehouse, target, tables, mode } = parts
  const words = ['wharf', 'recover', 'table', ...tables, '--warehouse', warehouse, ...targetOptions(target)]
  return [...words, '--mode', mode].map(shellWord).join(' ')
}
