// Holds: named reasons why something must not be deleted. One table for backups, partitions and loads.
import type { ControlDatabase, Hold } from './contract.ts'

export async function placeHold(database: ControlDatabase, hold: Hold): Promise<void> {
  await database.query(
    `insert into control.hold (id, kind, subject, reason, placed_by, until) values ($1, $2, $3, $4, $5, $6) on conflict (id) do nothing`,
    [hold.id, hold.kind, hold.subject, hold.reason, hold.by, hold.until ?? null],
  )
}

export async function releaseHold(database: ControlDatabase, id: string, by: string): Promise<void> {
  await database.query(
    'update control.hold set released_at = clock_timestamp(), released_by = $2 where id = $1 and released_at is null',
    [id, by],
  )
}

export async function listHolds(
  database: ControlDatabase,
  filter: { kind?: string; subject?: string },
): Promise<readonly Hold[]> {
  const rows = await database.query<Omit<Hold, 'until'> & { until: Date | null }>(
    `select id, kind, subject, reason, placed_by as by, until from control.hold
     where released_at is null and (until is null or until > clock_timestamp())
       and ($1::text is null or kind = $1) and ($2::text is null or subject = $2)
     order by placed_at, id`,
    [filter.kind ?? null, filter.subject ?? null],
  )
  return rows.map((row) => ({ ...row, until: row.until ?? undefined }))
}
