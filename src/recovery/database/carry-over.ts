// Runs the statements of a dump on the live server. What only roles or tablespaces are missing for is left out and said; anything else fails the whole.
import { codeOf, messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { partErrors as errors } from '../part-errors.ts'
import { wavesOf, type Job } from './definitions.ts'

const UNDEFINED_OBJECT = '42704'
/** A right, or an owner: the object itself is there. A policy without one of its roles might let others see more. */
const OF_ROLES =
  /^(?:ALTER [\s\S]+ OWNER TO |GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |CREATE USER MAPPING |ALTER ROLE )/

/** A right that a role other than the owner has given on. */
const BY_ANOTHER = /^SET SESSION AUTHORIZATION /
const INVALID_VALUE = '22023'

export class CarryOver {
  private readonly said = new Map<Session, string>()
  /** Sessions whose dump speaks in the name of a role that does not exist. */
  private readonly forNobody = new Set<Session>()
  private readonly notes: string[]

  constructor(notes: string[]) {
    this.notes = notes
  }

  /** Rejects with `recovery.cannot-carry-over`. */
  async run(session: Session, job: Job): Promise<void> {
    if (!this.forNobody.has(session)) return await this.say(session, job)
    if (job.sql === 'RESET SESSION AUTHORIZATION') this.forNobody.delete(session)
    else this.notes.push(`left out, the role that gave it does not exist: ${firstLine(job.sql)}`)
  }

  private async say(session: Session, { sql, defaults }: Job): Promise<void> {
    const place = defaults.join(';')
    if (this.said.get(session) !== place) for (const one of defaults) await this.place(session, one)
    this.said.set(session, place)
    try {
      await session.query(sql)
    } catch (error) {
      if (codeOf(error) === INVALID_VALUE && BY_ANOTHER.test(sql)) return void this.forNobody.add(session)
      if (codeOf(error) !== UNDEFINED_OBJECT || !OF_ROLES.test(sql)) throw refused(sql, error)
      this.notes.push(`left out, ${messageOf(error)}: ${firstLine(sql)}`)
      await this.disarm(session, sql)
    }
  }

  private async place(session: Session, setting: string): Promise<void> {
    try {
      await session.query(setting)
    } catch (error) {
      if (!setting.startsWith('SET default_tablespace')) throw refused(setting, error)
      const note = `what was in another tablespace is in the default one now: ${messageOf(error)}`
      if (!this.notes.includes(note)) this.notes.push(note)
      await session.query("SET default_tablespace = ''")
    }
  }

  /** A function that was to act with the rights of a role that is gone must not act with those of whoever recovers. */
  private async disarm(session: Session, sql: string): Promise<void> {
    const match = /^(ALTER (?:FUNCTION|PROCEDURE) [\s\S]+) OWNER TO (?:"(?:[^"]|"")+"|\S+)$/.exec(sql.trim())
    if (match) await session.query(`${match[1]!} SECURITY INVOKER`)
  }
}

export interface Pool {
  readonly first: Session
  readonly workers: number
  open(): Promise<Session>
  readonly signal: AbortSignal
  readonly progress: (done: number, total: number) => void
}

/** In the dump's order; indexes that follow each other several at once. */
export async function runJobs(jobs: readonly Job[], carry: CarryOver, pool: Pool): Promise<void> {
  await using scope = new AsyncDisposableStack()
  const sessions = [pool.first]
  let done = 0
  for (const wave of wavesOf(jobs)) {
    while (sessions.length < Math.min(pool.workers, wave.length)) sessions.push(scope.use(await pool.open()))
    const waiting = [...wave]
    const failed = new AbortController()
    const work = async (session: Session): Promise<void> => {
      for (let job = waiting.shift(); job && !failed.signal.aborted; job = waiting.shift()) {
        pool.signal.throwIfAborted()
        try {
          await carry.run(session, job)
        } catch (error) {
          failed.abort()
          throw error
        }
        pool.progress(++done, jobs.length)
      }
    }
    const results = await Promise.allSettled(sessions.slice(0, wave.length).map(work))
    pool.signal.throwIfAborted()
    const failure = results.find((one) => one.status === 'rejected')
    if (failure) throw failure.reason
  }
}

export function refused(sql: string, error: unknown): Error {
  return errors.cannotCarryOver({ statement: firstLine(sql), why: messageOf(error) }, { cause: error })
}

function firstLine(sql: string): string {
  const [line] = sql.split('\n')
  return line!.length > 120 ? `${line!.slice(0, 117)}…` : line!
}
