// The service: queries, transactions, events, leases, holds, audit; and coming back after the server went away.
import { EventEmitter } from 'node:events'

import { types, type CustomTypesConfig, type Pool, type PoolClient, type QueryResult } from 'pg'

import { isWharfError, messageOf } from '../base/errors.ts'
import type { Room } from '../base/room.ts'
import { endConnection, explain, openConnection, openPool } from '../warehouse/pool.ts'
import { appendAudit } from './audit.ts'
import type { AuditEntry, ControlDatabase, ControlEvent, HeldLease, Hold, StoredEvent } from './contract.ts'
import type { Enter, Entered, Tools } from './entrance.ts'
import { controlErrors } from './errors.ts'
import { eventChannel, followEvents, insertEvent } from './events.ts'
import { listHolds, placeHold, releaseHold } from './holds.ts'
import { tryLease } from './leases.ts'
import { migrate } from './migrate/migrate.ts'

const poolSize = 12
/** How long a query waits for a server that is being started again. */
const patienceMs = 30_000

interface Connected extends Entered {
  readonly pool: Pool
}

const int8Oid = 20
const dateOid = 1082

/** int8 as bigint, date as text; everything else as pg has it. */
const typeParsers: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary' && oid === int8Oid) return BigInt
    if (format !== 'binary' && oid === dateOid) return (text: string) => text
    return types.getTypeParser(oid, format)
  },
}

export class OpenControlDatabase implements ControlDatabase, AsyncDisposable {
  private readonly enter: Enter
  private readonly tools: Tools
  private readonly rooms: readonly Room[]
  private readonly closing = new AbortController()
  /** `event` when there may be new events. */
  private readonly wake = new EventEmitter().setMaxListeners(0)
  private connected: Promise<Connected>
  private last: Connected | undefined

  private constructor(enter: Enter, tools: Tools, rooms: readonly Room[]) {
    this.enter = enter
    this.tools = tools
    this.rooms = rooms
    this.connected = this.connect(undefined)
  }

  /** Starts or joins the database and applies migrations. */
  static async open(enter: Enter, tools: Tools, rooms: readonly Room[]): Promise<OpenControlDatabase> {
    const database = new OpenControlDatabase(enter, tools, rooms)
    try {
      await database.connected
      return database
    } catch (error) {
      await database[Symbol.asyncDispose]()
      throw error
    }
  }

  get pool(): Pool {
    return this.last!.pool
  }

  async query<Row extends object>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    const { pool, target } = await this.whenConnected()
    try {
      const result: QueryResult = await pool.query(sql, [...parameters])
      return result.rows as Row[]
    } catch (error) {
      throw explain(error, target)
    }
  }

  async transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const { pool, target } = await this.whenConnected()
    const client = await pool.connect().catch((error: unknown) => {
      throw explain(error, target)
    })
    let broken: boolean | undefined
    try {
      await client.query('begin')
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      await client.query('rollback').catch(() => (broken = true))
      throw broken ? explain(error, target) : error
    } finally {
      client.release(broken)
    }
  }

  async emit(event: ControlEvent, client?: PoolClient): Promise<void> {
    const { pool, target } = await this.whenConnected()
    await insertEvent(client ?? pool, event).catch((error: unknown) => {
      throw client ? error : explain(error, target)
    })
  }

  events(options: { kinds?: readonly string[]; afterId?: bigint; signal: AbortSignal }): AsyncIterable<StoredEvent> {
    return followEvents({ ...options, database: this, wake: this.wake, clock: this.tools.clock })
  }

  async tryLease(
    name: string,
    options: { ttlMs: number; owner: string; signal: AbortSignal },
  ): Promise<HeldLease | undefined> {
    return await tryLease(this, this.tools.clock, { name, ...options })
  }

  async placeHold(hold: Hold): Promise<void> {
    await placeHold(this, hold)
  }

  async releaseHold(id: string, by: string): Promise<void> {
    await releaseHold(this, id, by)
  }

  async holds(filter: { kind?: string; subject?: string }): Promise<readonly Hold[]> {
    return await listHolds(this, filter)
  }

  async audit(entry: AuditEntry): Promise<void> {
    await this.transaction((client) => appendAudit(client, entry))
  }

  // ---------------------------------------------------------------- connecting

  private async whenConnected(): Promise<Connected> {
    const done = new AbortController()
    const tired = this.tools.clock.sleep(patienceMs, done.signal).then(
      () => Promise.reject(controlErrors.unavailable({ reason: `no connection for ${patienceMs / 1000} s` })),
      () => new Promise<never>(() => {}),
    )
    try {
      return await Promise.race([this.connected, tired])
    } catch (error) {
      if (isWharfError(error) || !this.closing.signal.aborted) throw error
      throw controlErrors.unavailable({ reason: 'this program is ending' })
    } finally {
      done.abort()
    }
  }

  private async connect(before: Connected | undefined): Promise<Connected> {
    const entered = await this.enter(this.closing.signal)
    try {
      const pool = before && sameServer(before, entered) ? before.pool : await this.makePool(entered)
      if (before && before.pool !== pool) void before.pool.end().catch(() => {})
      await this.listen(entered)
      this.last = { ...entered, pool }
      return this.last
    } catch (error) {
      await entered.leave()
      throw error
    }
  }

  private async makePool(entered: Entered): Promise<Pool> {
    const { clock, log } = this.tools
    const signal = this.closing.signal
    const migrator = await openConnection(entered.target, { purpose: 'control migrations', signal })
    try {
      for (const one of await migrate(migrator, this.rooms)) log.debug(one, 'migration applied')
    } finally {
      await endConnection(migrator, clock)
    }
    return await openPool(entered.target, { purpose: 'control', size: poolSize, types: typeParsers, clock, signal })
  }

  private async listen({ presence }: Entered): Promise<void> {
    presence.on('notification', () => void this.wake.emit('event'))
    // A socket that nobody reads from keeps no program alive, and notices nothing: `end` comes from the socket itself.
    presence.on('end', () => this.onLost())
    await presence.query(`listen ${eventChannel}`)
  }

  private onLost(): void {
    if (this.closing.signal.aborted || !this.last) return
    this.tools.log.warn({}, 'the connection to the control database was lost')
    this.connected = this.reconnect(this.last)
    this.connected.catch(() => {})
  }

  private async reconnect(before: Connected): Promise<Connected> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 5000)) {
      await this.tools.clock.sleep(delayMs, this.closing.signal)
      try {
        const connected = await this.connect(before)
        this.tools.log.info({}, 'the control database is back')
        this.wake.emit('event')
        return connected
      } catch (error) {
        if (this.closing.signal.aborted) throw error
        this.tools.log.warn({ reason: messageOf(error) }, 'the control database is still away')
      }
    }
  }

  /** A client that somebody forgot to release must not keep the program from ending. */
  private async endPool(pool: Pool): Promise<void> {
    const done = new AbortController()
    const tired = this.tools.clock.sleep(5000, done.signal).catch(() => {})
    await Promise.race([pool.end().catch(() => {}), tired])
    done.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closing.signal.aborted) return
    this.closing.abort(controlErrors.unavailable({ reason: 'this program is ending' }))
    await this.connected.catch(() => {})
    this.wake.emit('event')
    if (!this.last) return
    await this.endPool(this.last.pool)
    await this.last.leave()
  }
}

function sameServer(before: Connected, entered: Entered): boolean {
  return before.target.host === entered.target.host && before.target.port === entered.target.port
}
