// The audit chain: each entry carries the hash of the one before it, so that a changed, inserted or missing row shows.
import { createHash } from 'node:crypto'

import type { PoolClient } from 'pg'

import type { AuditEntry, ControlDatabase } from './contract.ts'

/** "waud" as ASCII. */
const auditLock = 0x77617564
const genesis = Buffer.alloc(32)

interface AuditRow {
  readonly id: bigint
  readonly at: Date
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: unknown
  readonly previous: Buffer
  readonly hash: Buffer
}

/** Appends as part of the client's transaction. */
export async function appendAudit(client: PoolClient, entry: AuditEntry): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1)', [auditLock])
  const { rows } = await client.query<Pick<AuditRow, 'id' | 'hash'>>(
    'select id, hash from control.audit order by id desc limit 1',
  )
  const { rows: times } = await client.query<{ at: Date }>(`select date_trunc('milliseconds', clock_timestamp()) as at`)
  const fresh = { id: (rows[0]?.id ?? 0n) + 1n, at: times[0]!.at, ...entry, previous: rows[0]?.hash ?? genesis }
  await client.query(
    `insert into control.audit (id, at, actor, action, subject, detail, previous, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      fresh.id,
      fresh.at,
      fresh.actor,
      fresh.action,
      fresh.subject,
      JSON.stringify(fresh.detail),
      fresh.previous,
      hashOf(fresh),
    ],
  )
}

/** Undefined for a whole chain, else the id of the first entry that does not fit. */
export async function findBrokenAudit(database: ControlDatabase): Promise<bigint | undefined> {
  let previous: Buffer = genesis
  let expected = 1n
  for (;;) {
    const rows = await database.query<AuditRow>('select * from control.audit where id >= $1 order by id limit 1000', [
      expected,
    ])
    for (const row of rows) {
      if (row.id !== expected || !row.previous.equals(previous) || !row.hash.equals(hashOf(row))) return expected
      previous = row.hash
      expected++
    }
    if (rows.length < 1000) return undefined
  }
}

function hashOf(row: Omit<AuditRow, 'hash'>): Buffer {
  const parts = [row.id.toString(), row.at.toISOString(), row.actor, row.action, row.subject, canonical(row.detail)]
  return createHash('sha256').update(row.previous).update(JSON.stringify(parts)).digest()
}

/** JSON with sorted keys: jsonb does not keep their order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : inner,
  )
}
