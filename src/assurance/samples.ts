// Samples of recoverability over time, for `wharf history` and the console's charts.
import { messageOf } from '../base/errors.ts'
import type { Context, Daemon } from '../base/room.ts'
import { DAY_MS, HOUR_MS } from '../base/units.ts'
import { controlDatabase, type ControlDatabase } from '../control/contract.ts'
import { recoverability, type History, type HistoryPoint, type WarehouseStatus } from './contract.ts'

// Ten seconds show a receiver that stumbles; a week of it is 60 000 narrow rows per warehouse.
const SAMPLE_EVERY_MS = 10_000
const KEEP_MS = 7 * DAY_MS
const TIDY_EVERY_MS = HOUR_MS

/** Takes a sample every ten seconds while `wharf up` runs. Several processes may: samples of one moment are only more points. */
export const samplerDaemon: Daemon = {
  name: 'recoverability samples',
  run: async (context, signal) => {
    let tidiedMs = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      try {
        await sample(context, signal)
        if (context.clock.monotonic() - tidiedMs > TIDY_EVERY_MS) {
          await tidy(context)
          tidiedMs = context.clock.monotonic()
        }
      } catch (error) {
        if (!signal.aborted) context.log.warn({ why: messageOf(error) }, 'a sample of recoverability is missing')
      }
      await context.clock.sleep(SAMPLE_EVERY_MS, signal).catch(() => {})
    }
  },
}

async function sample(context: Context, signal: AbortSignal): Promise<void> {
  const status = await (await context.use(recoverability)).status({ signal })
  const database = await context.use(controlDatabase)
  for (const one of status.warehouses) await insert(database, one, status.at)
}

async function insert(database: ControlDatabase, one: WarehouseStatus, at: string): Promise<void> {
  const lagBytes = one.receivers.flatMap((receiver) => (receiver.lagBytes === null ? [] : [receiver.lagBytes]))
  await database.query(
    `insert into assurance.sample (warehouse, at, rpo_ms, lag_bytes, rto_ms, cluster_bytes, stored_bytes)
       values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    [
      one.warehouse,
      at,
      whole(one.rpo.ms),
      lagBytes.length === 0 ? null : Math.round(Math.max(...lagBytes)),
      whole(one.rto?.expectedMs ?? null),
      one.lastBackup?.clusterBytes ?? null,
      one.lastBackup?.storedBytes ?? null,
    ],
  )
}

function whole(value: number | null): number | null {
  return value === null ? null : Math.round(value)
}

async function tidy(context: Context): Promise<void> {
  const database = await context.use(controlDatabase)
  await database.query('delete from assurance.sample where at < $1', [new Date(context.clock.now() - KEEP_MS)])
}

interface Row {
  readonly at: Date
  readonly rpoMs: unknown
  readonly lagBytes: unknown
  readonly rtoMs: unknown
  readonly clusterBytes: unknown
  readonly storedBytes: unknown
}

/** The samples of a stretch, gathered into steps. */
export async function readHistory(
  context: Context,
  asked: { warehouse: string; sinceMs: number; stepMs: number },
): Promise<History> {
  const toMs = context.clock.now()
  const fromMs = toMs - asked.sinceMs
  const database = await context.use(controlDatabase)
  const rows = await database.query<Row>(
    `select date_bin($4::double precision * interval '1 millisecond', at, $2) as at,
            max(rpo_ms) as "rpoMs", max(lag_bytes) as "lagBytes", max(rto_ms) as "rtoMs",
            (array_agg(cluster_bytes order by at desc))[1] as "clusterBytes",
            (array_agg(stored_bytes order by at desc))[1] as "storedBytes"
       from assurance.sample where warehouse = $1 and at >= $2 and at <= $3 group by 1 order by 1`,
    [asked.warehouse, new Date(fromMs), new Date(toMs), asked.stepMs],
  )
  return {
    warehouse: asked.warehouse,
    from: new Date(fromMs).toISOString(),
    to: new Date(toMs).toISOString(),
    stepMs: asked.stepMs,
    points: rows.map(point),
  }
}

function point(row: Row): HistoryPoint {
  const number = (value: unknown) => (value === null ? null : Number(value))
  return {
    at: row.at.toISOString(),
    rpoMs: number(row.rpoMs),
    lagBytes: number(row.lagBytes),
    rtoMs: number(row.rtoMs),
    clusterBytes: number(row.clusterBytes),
    storedBytes: number(row.storedBytes),
  }
}
