// How much would be lost now: from the receiver's real position, checked against what can really be recovered.
import type { RecoverableRange, WalStatus } from '../backup/contract.ts'
import type { LossNow, ReceiverView } from './contract.ts'
import type { Facts } from './facts.ts'

/** Keepalives come every 10 s at the latest (wal_receiver_status_interval): three missed are silence, whatever the row says. */
export const SILENT_AFTER_MS = 35_000

/** The state as it is believed: a row that nobody has touched for long was left by a process that died. */
export function receiverState(status: WalStatus, nowMs: number): ReceiverView['state'] {
  if (status.state !== 'streaming') return status.state
  const heard = status.lastMessageAt === undefined ? Number.NEGATIVE_INFINITY : Date.parse(status.lastMessageAt)
  return nowMs - heard > SILENT_AFTER_MS ? 'silent' : 'streaming'
}

/** `16/B374D848` as a number to compare. Undefined where it is none. */
export function lsnPosition(text: string): bigint | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text)
  return match ? (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`) : undefined
}

const nothingKnown: LossNow = { ms: null, bytes: null, basis: 'unknown', growing: false, repository: null }
const everything: LossNow = { ms: null, bytes: null, basis: 'everything', growing: true, repository: null }

/** Loss now. Where several repositories receive, the one from which the least would be lost counts. */
export function lossNow(facts: Facts, nowMs: number): LossNow {
  if (facts.backups.known && facts.backups.value.length === 0) return everything
  if (!facts.window.known || !facts.backups.known) return nothingKnown
  const end = newestRange(facts.window.value)
  if (!end) return everything
  const sinceWindow: LossNow = {
    ms: Math.max(0, nowMs - Date.parse(end.toTime)),
    bytes: null,
    basis: 'window',
    growing: true,
    repository: null,
  }
  // WAL behind a hole is received in vain: only what joins on to the window can be recovered.
  if (!facts.wal.known || isCutOff(facts)) return sinceWindow
  const losses = facts.wal.value.map((status) => lossOf(status, nowMs)).filter((one) => one !== undefined)
  return losses.reduce((best, one) => (Number(one.ms) < Number(best.ms) ? one : best), losses[0] ?? sinceWindow)
}

function lossOf(status: WalStatus, nowMs: number): LossNow | undefined {
  const isLive = receiverState(status, nowMs) === 'streaming'
  if (isLive && status.lagMs !== undefined) {
    return {
      ms: status.lagMs,
      bytes: status.lagBytes ?? null,
      basis: 'receiver',
      growing: false,
      repository: status.repository,
    }
  }
  if (status.lastMessageAt === undefined || status.durableLsn === undefined) return undefined
  const silentMs = Math.max(0, nowMs - Date.parse(status.lastMessageAt))
  return {
    ms: silentMs + (status.lagMs ?? 0),
    bytes: null,
    basis: 'last-contact',
    growing: true,
    repository: status.repository,
  }
}

/** True where WAL is kept that does not join on to the end of the recoverable window. */
export function isCutOff(facts: Facts): boolean {
  const end = facts.window.known ? newestRange(facts.window.value) : undefined
  const position = end && lsnPosition(end.toLsn)
  if (end === undefined || position === undefined || !facts.walRanges.known) return false
  return facts.walRanges.value.some((one) => one.timeline === end.timeline && one.startLsn > position)
}

/** The range that reaches furthest: on the newest timeline, over all repositories. */
export function newestRange(ranges: readonly RecoverableRange[]): RecoverableRange | undefined {
  const reach = (one: RecoverableRange) => lsnPosition(one.toLsn) ?? 0n
  return ranges.toSorted((a, b) => b.timeline - a.timeline || (reach(a) > reach(b) ? -1 : 1))[0]
}

export interface Moments {
  readonly from: RecoverableRange
  readonly to: RecoverableRange
}

/**
 * Stretches of time that can be recovered, joined over repositories and timelines; what lies between two is a hole. `slackMs`: stretches that
 * are so near belong together.
 */
export function joinedByTime(ranges: readonly RecoverableRange[], slackMs = 0): readonly Moments[] {
  const sorted = ranges.toSorted((a, b) => Date.parse(a.fromTime) - Date.parse(b.fromTime))
  const joined: Moments[] = []
  for (const range of sorted) {
    const last = joined.at(-1)
    if (last === undefined || Date.parse(range.fromTime) > Date.parse(last.to.toTime) + slackMs)
      joined.push({ from: range, to: range })
    else if (Date.parse(range.toTime) > Date.parse(last.to.toTime))
      joined[joined.length - 1] = { from: last.from, to: range }
  }
  return joined
}
