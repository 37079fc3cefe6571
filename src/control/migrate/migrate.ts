// Applies the migrations of all rooms, once each, in order, also when several processes start at once.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import type { Client } from 'pg'

import { messageOf } from '../../base/errors.ts'
import type { Migration, Room } from '../../base/room.ts'
import { controlErrors } from '../errors.ts'

/** Any number, the same in every version: "whrf" as ASCII. */
const migrationLock = 0x77687266

export interface AppliedMigration {
  readonly room: string
  readonly name: string
}

interface Known extends AppliedMigration {
  readonly sql: string
  readonly sha256: string
}

/** Resolves to those that this call applied. Each is one transaction. Rejects with `control.newer` before anything is changed. */
export async function migrate(client: Client, rooms: readonly Room[]): Promise<readonly AppliedMigration[]> {
  const known = await readAll(rooms)
  await client.query('select pg_advisory_lock($1)', [migrationLock])
  try {
    const applied = await readApplied(client)
    assertSame(known, applied)
    const missing = known.filter((one) => !applied.some((row) => row.room === one.room && row.name === one.name))
    for (const one of missing) await apply(client, one)
    return missing.map(({ room, name }) => ({ room, name }))
  } finally {
    await client.query('select pg_advisory_unlock($1)', [migrationLock]).catch(() => {})
  }
}

async function readAll(rooms: readonly Room[]): Promise<readonly Known[]> {
  const list = rooms.flatMap((room) =>
    inOrder(room.migrations ?? []).map((migration) => ({ room: room.name, migration })),
  )
  return await Promise.all(
    list.map(async ({ room, migration }) => {
      const sql = await readFile(migration.file, 'utf8')
      return { room, name: migration.name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

function inOrder(migrations: readonly Migration[]): readonly Migration[] {
  return migrations.toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

async function readApplied(client: Client): Promise<readonly { room: string; name: string; sha256: string }[]> {
  await client.query(`
    create schema if not exists control;
    create table if not exists control.migration (
      room text not null,
      name text not null,
      sha256 text not null,
      applied_at timestamptz not null default clock_timestamp(),
      primary key (room, name)
    )`)
  const { rows } = await client.query<{ room: string; name: string; sha256: string }>(
    'select room, name, sha256 from control.migration order by room, name',
  )
  return rows
}

function assertSame(known: readonly Known[], applied: readonly { room: string; name: string; sha256: string }[]): void {
  for (const row of applied) {
    const ours = known.find((one) => one.room === row.room && one.name === row.name)
    if (!ours) throw controlErrors.newer({ room: row.room, migration: row.name })
    if (ours.sha256 !== row.sha256) throw controlErrors.migrationChanged({ room: row.room, migration: row.name })
  }
}

async function apply(client: Client, one: Known): Promise<void> {
  await client.query('begin')
  try {
    await client.query(one.sql)
    await client.query('insert into control.migration (room, name, sha256) values ($1, $2, $3)', [
      one.room,
      one.name,
      one.sha256,
    ])
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw controlErrors.migrationFailed(
      { room: one.room, migration: one.name, reason: messageOf(error) },
      { cause: error },
    )
  }
}
