// Files read by a copying thread through a session of its own. Nothing is held open on the server between two reads: a file that goes away in between
// is one that ended.
import { systemClock } from '../../base/clock.ts'
import { backupErrors } from '../errors.ts'
import { SqlSessions } from './sql-sessions.ts'
import type { OpenFile, Reading, SourceDescriptor, Stretch } from './reading.ts'

export class SqlReading implements Reading {
  private readonly sessions: SqlSessions
  private readonly end = new AbortController()

  constructor(from: Extract<SourceDescriptor, { kind: 'sql' }>) {
    this.sessions = new SqlSessions({ ...from, clock: systemClock, signal: this.end.signal })
  }

  open(path: string): OpenFile {
    return new SqlFile(path, this.sessions)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]()
    this.end.abort()
  }
}

class SqlFile implements OpenFile {
  readonly path: string
  private readonly sessions: SqlSessions

  constructor(path: string, sessions: SqlSessions) {
    this.path = path
    this.sessions = sessions
  }

  async read(stretches: readonly Stretch[]): Promise<readonly number[] | undefined> {
    if (stretches.length === 0) return []
    return await this.sessions.attempt(this.path, async (session) => {
      const got: number[] = []
      let gone = false
      await session.binaryRows(readStatement(this.path, stretches), ([bytes]) => {
        const into = stretches[got.length]?.into
        if (bytes === undefined) gone = true
        else if (into === undefined || bytes.length > into.length) throw backupErrors.badAnswer({ path: this.path })
        else bytes.copy(into)
        got.push(bytes?.length ?? 0)
      })
      if (got.length !== stretches.length) throw backupErrors.badAnswer({ path: this.path })
      return gone ? undefined : got
    })
  }

  [Symbol.dispose](): void {}
}

/** One row for each stretch, in order: a scan of VALUES keeps it. */
function readStatement(path: string, stretches: readonly Stretch[]): string {
  const values = stretches.map(({ offset, into }) => `(${offset}::bigint,${into.length}::bigint)`).join(',')
  return `select pg_read_binary_file(${quoteLiteral(path)}, o, l, true) from (values ${values}) v(o, l)`
}

/** An SQL string, whatever standard_conforming_strings says. */
export function quoteLiteral(text: string): string {
  const doubled = text.replaceAll("'", "''")
  return text.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}
