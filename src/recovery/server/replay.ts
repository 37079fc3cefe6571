// Waits until a recovering server stands at its target, makes sure that it is the target, and ends recovery there.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { MINUTE_MS } from '../../base/units.ts'
import { formatLsn, parseLsn, type Lsn } from '../../wal/lsn.ts'
import { historyName } from '../../wal/segments.ts'
import { parseHistory } from '../../wal/timelines.ts'
import { serverRuns } from '../../warehouse/servers.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { StopPoint } from '../target/resolve.ts'
import { connectToAny, type PrivateServer, type PrivateSession } from './connect.ts'

export interface ReplayParts {
  readonly server: PrivateServer
  readonly dataDirectory: string
  readonly logFile: string
  readonly stop: StopPoint
  /** End of the last whole record that the repository holds, where replay goes to its end. */
  readonly lastRecordEnd: Lsn | undefined
  /** Where replay began and is expected to end, for progress. */
  readonly fromLsn: Lsn
  readonly toLsn: Lsn
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly progress: (event: Progress) => void
}

export interface Replayed {
  /** End of the last record that was replayed. */
  readonly lsn: Lsn
  /** Timeline that the server opened. */
  readonly timeline: number
}

/** A page header (40 bytes, the long one) may lie between the end of a record and the start of the next. */
const MOST_BETWEEN_RECORDS = 40n
const pollMs = 100

interface State {
  readonly recovering: boolean
  readonly pause: string
  readonly lsn: string | null
}

/**
 * Resolves when the server stands at the target and waits there, for readers only. A server that could not let readers in until then has opened at the target
 * instead: `paused` says which.
 */
export async function replayToPause(parts: ReplayParts): Promise<{ readonly lsn: Lsn; readonly paused: boolean }> {
  await using watch = await openWatch(parts)
  const state = await untilStill(watch, parts)
  if (!state.recovering) {
    const replayed = await whereItOpened(parts, watch)
    checkEnd(replayed.lsn, parts)
    return { lsn: replayed.lsn, paused: false }
  }
  const lsn = parseLsn(state.lsn ?? '0/0')
  await checkPause(lsn, parts)
  return { lsn, paused: true }
}

/** Resolves when the server has left recovery at the target. Rejects, leaving the server to the caller, in every other case. */
export async function replayToTarget(parts: ReplayParts): Promise<Replayed> {
  await using watch = await openWatch(parts)
  const state = await untilStill(watch, parts)
  if (state.recovering) {
    const lsn = parseLsn(state.lsn ?? '0/0')
    await checkPause(lsn, parts)
    await watch.session.query('SELECT pg_catalog.pg_wal_replay_resume()')
    await untilOpen(watch, parts)
  }
  const replayed = await whereItOpened(parts, watch)
  checkEnd(replayed.lsn, parts)
  return replayed
}

/** The session through which a recovery is watched. What is replayed may drop or move the database that it is connected to: it goes on in another one then. */
interface Watch extends AsyncDisposable {
  session: PrivateSession
}

async function openWatch({ server }: Pick<ReplayParts, 'server'>): Promise<Watch> {
  const watch = {
    session: await connectToAny(server),
    [Symbol.asyncDispose]: () => watch.session[Symbol.asyncDispose](),
  }
  return watch
}

/** A server that runs takes us back at once; one that ends is seen to have ended long before. */
const RECONNECT_MS = MINUTE_MS

/** Rejects with `recovery.server-stopped` when the server is gone. */
async function watchAgain(watch: Watch, parts: ReplayParts, cause: unknown): Promise<void> {
  const until = parts.clock.monotonic() + RECONNECT_MS
  for (;;) {
    parts.signal.throwIfAborted()
    if (!(await serverRuns(parts.dataDirectory).catch(() => false)))
      throw errors.serverStopped({ why: await lastComplaint(parts.logFile), log: parts.logFile }, { cause })
    try {
      const session = await connectToAny(parts.server)
      await watch.session[Symbol.asyncDispose]()
      watch.session = session
      return
    } catch (error) {
      if (parts.clock.monotonic() > until) throw error
    }
    await parts.clock.sleep(pollMs, parts.signal)
  }
}

async function stateOf(session: PrivateSession): Promise<State> {
  const result = await session.query<State>(
    `SELECT pg_catalog.pg_is_in_recovery() AS recovering,
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_get_wal_replay_pause_state() ELSE '' END AS pause,
            pg_catalog.pg_last_wal_replay_lsn()::text AS lsn`,
  )
  return result.rows[0]!
}

/** Until replay is paused (at the target, or for another reason) or over. */
async function untilStill(watch: Watch, parts: ReplayParts): Promise<State> {
  const started = parts.clock.monotonic()
  let reported = -Infinity
  for (;;) {
    parts.signal.throwIfAborted()
    const state = await stateOrDeath(watch, parts)
    if (!state.recovering || state.pause === 'paused') return state
    const now = parts.clock.monotonic()
    if (now - reported > 500 && state.lsn !== null) {
      reported = now
      report(parts, { lsn: parseLsn(state.lsn), elapsedMs: now - started })
    }
    await parts.clock.sleep(pollMs, parts.signal)
  }
}

function report(parts: ReplayParts, at: { lsn: Lsn; elapsedMs: number }): void {
  const done = Number(at.lsn > parts.fromLsn ? at.lsn - parts.fromLsn : 0n)
  const total = Number(parts.toLsn > parts.fromLsn ? parts.toLsn - parts.fromLsn : 0n)
  const rate = at.elapsedMs > 500 ? (done / at.elapsedMs) * 1000 : undefined
  parts.progress({
    phase: 'replaying',
    done,
    total,
    unit: 'bytes',
    note: `at ${formatLsn(at.lsn)}`,
    ...(rate ? { rate, leftMs: ((total - done) / rate) * 1000 } : {}),
  })
}

async function untilOpen(watch: Watch, parts: ReplayParts): Promise<void> {
  for (;;) {
    parts.signal.throwIfAborted()
    const state = await stateOrDeath(watch, parts)
    if (!state.recovering) return
    await parts.clock.sleep(pollMs, parts.signal)
  }
}

/** A session that breaks means that the server ended, of which its log says why, or that the session's database is not there any more. */
async function stateOrDeath(watch: Watch, parts: ReplayParts): Promise<State> {
  for (;;) {
    try {
      return await stateOf(watch.session)
    } catch (error) {
      const code = codeOf(error)
      if (code !== undefined && !code.startsWith('57P') && (await serverRuns(parts.dataDirectory).catch(() => false)))
        throw error
      await watchAgain(watch, parts, error)
    }
  }
}

/** A pause is either the target or a complaint. */
async function checkPause(lsn: Lsn, parts: ReplayParts): Promise<void> {
  if (isAt(lsn, parts.stop)) return
  const complaint = await lastLine(
    parts.logFile,
    /insufficient parameter settings|is a lower setting than on the primary/,
  )
  if (complaint !== undefined) throw errors.tooSmallSettings(complaint)
  throw errors.wrongEnd({ reached: formatLsn(lsn), wanted: wantedText(parts.stop), log: parts.logFile })
}

function isAt(lsn: Lsn, stop: StopPoint): boolean {
  if (stop.kind === 'before') return lsn <= stop.lsn && stop.lsn - lsn <= MOST_BETWEEN_RECORDS
  if (stop.kind === 'after') return stop.endLsn > stop.lsn ? lsn === stop.endLsn : lsn > stop.lsn
  return true
}

function wantedText(stop: StopPoint): string {
  if (stop.kind === 'before') return `before ${formatLsn(stop.lsn)}`
  return stop.kind === 'after' ? `after the record at ${formatLsn(stop.lsn)}` : formatLsn(stop.lsn)
}

function checkEnd(lsn: Lsn, parts: ReplayParts): void {
  const { stop, lastRecordEnd } = parts
  const wanted = stop.kind === 'end' && lastRecordEnd !== undefined ? formatLsn(lastRecordEnd) : wantedText(stop)
  // All that the repository holds may have become more since: a receiver goes on while we recover.
  const good = stop.kind === 'end' ? lastRecordEnd === undefined || lsn >= lastRecordEnd : isAt(lsn, stop)
  if (!good) throw errors.wrongEnd({ reached: formatLsn(lsn), wanted, log: parts.logFile })
}

/** The new timeline's history file says after which byte the server began to write for itself. */
async function whereItOpened(parts: ReplayParts, { session }: Watch): Promise<Replayed> {
  const result = await session.query<{ name: string }>(
    'SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) AS name',
  )
  const timeline = Number.parseInt(result.rows[0]!.name.slice(0, 8), 16)
  const text = await readFile(join(parts.dataDirectory, 'pg_wal', historyName(timeline)), 'utf8').catch(() => undefined)
  const last = text === undefined ? undefined : parseHistory(timeline, text).at(-1)
  if (!last) throw errors.notConsistent({ reached: `timeline ${timeline} without a history file`, log: parts.logFile })
  return { lsn: last.switchLsn, timeline }
}

/** What the server's log says last about its end. Where its restore_command failed, with what that said: the server knows no more than a number. */
export async function lastComplaint(logFile: string): Promise<string> {
  const complaint = await lastLine(logFile, /\b(FATAL|PANIC):/)
  if (complaint === undefined) return 'its log says nothing'
  if (!/^could not restore file .* from archive/.test(complaint)) return complaint
  const said = await lastLine(logFile, /^(wharf wal get|mv|cp|cksum|(\/bin\/)?sh): /)
  return said === undefined ? complaint : `${complaint}; its restore_command said: ${said}`
}

async function lastLine(logFile: string, pattern: RegExp): Promise<string | undefined> {
  const text = await readFile(logFile, 'utf8').catch(() => '')
  const line = text.split('\n').findLast((one) => pattern.test(one))
  return line?.replace(/^.*?(FATAL|PANIC|ERROR|WARNING|LOG|DETAIL):\s*/, '').trim()
}
