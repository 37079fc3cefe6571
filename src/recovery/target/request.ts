// What an operator asks for: exactly one of the ways to name a recovery point.
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import { targetErrors as errors } from './errors.ts'
import { localZone, parseMoment, type Moment } from './time.ts'

export type TargetRequest =
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly moment: Moment; readonly inclusive: boolean }
  | { readonly kind: 'lsn'; readonly lsn: Lsn; readonly inclusive: boolean }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'xid'; readonly xid: bigint; readonly inclusive: boolean }
  | { readonly kind: 'before-load'; readonly load: string }

/** The options of the command line that name a target. */
export interface TargetOptions {
  readonly latest?: boolean | undefined
  readonly at?: string | undefined
  readonly lsn?: string | undefined
  readonly name?: string | undefined
  readonly xid?: string | undefined
  readonly beforeLoad?: string | undefined
  /** Undefined: what fits the kind (a time and a transaction are included; an LSN ends what is replayed). */
  readonly inclusive?: boolean | undefined
}

const optionNames = {
  latest: '--latest',
  at: '--at',
  lsn: '--lsn',
  name: '--name',
  xid: '--xid',
  beforeLoad: '--before-load',
} as const

/** Rejects with `recovery.no-target` or `recovery.many-targets` unless exactly one option names a target. */
export function targetRequest(options: TargetOptions): TargetRequest {
  const given = (Object.keys(optionNames) as (keyof typeof optionNames)[]).filter(
    (key) => options[key] !== undefined && options[key] !== false,
  )
  if (given.length === 0) throw errors.noTarget(undefined)
  if (given.length > 1) throw errors.manyTargets(given.map((key) => optionNames[key]))
  if (options.at !== undefined)
    return { kind: 'time', moment: parseMoment(options.at, localZone()), inclusive: options.inclusive ?? true }
  if (options.lsn !== undefined)
    return { kind: 'lsn', lsn: parseLsn(options.lsn), inclusive: options.inclusive ?? false }
  if (options.name !== undefined) return { kind: 'name', name: options.name }
  if (options.xid !== undefined)
    return { kind: 'xid', xid: parseXid(options.xid), inclusive: options.inclusive ?? true }
  if (options.beforeLoad !== undefined) return { kind: 'before-load', load: options.beforeLoad }
  return { kind: 'latest' }
}

function parseXid(text: string): bigint {
  if (!/^\d{1,20}$/.test(text)) throw errors.badXid(text)
  const xid = BigInt(text)
  if (xid < 3n || xid >= 1n << 64n) throw errors.badXid(text)
  return xid
}
