// What this room keeps inside the warehouse: the journal of loads, which files were loaded, and the fence against late workers. Written in
// each load's own transaction, so that the load and its record appear together or not at all.
import { codeOf, messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { errors } from '../errors.ts'

export const installSql = `create schema if not exists wharf;
comment on schema wharf is 'Wharfinger: journal of loads, written in each load''s own transaction';
create table if not exists wharf.load_journal (
  id text primary key,
  pipeline text not null,
  task text not null,
  run_id text not null,
  item text not null,
  token bigint not null,
  xid xid8 not null,
  business_date date,
  started_at timestamptz not null,
  committed_at timestamptz not null default clock_timestamp(),
  targets text[] not null,
  inputs jsonb not null,
  rows bigint not null,
  logged boolean not null,
  unique (run_id, task, item)
);
alter table wharf.load_journal add column if not exists written jsonb not null default '{}';
comment on column wharf.load_journal.written is 'rows inserted, updated and deleted in each target';
create index if not exists load_journal_newest on wharf.load_journal (committed_at desc);
create table if not exists wharf.load_file (
  pipeline text not null,
  task text not null,
  name text not null,
  sha256 text not null,
  bytes bigint not null,
  modified_at timestamptz not null,
  business_date date,
  load_id text not null,
  loaded_at timestamptz not null default clock_timestamp(),
  primary key (pipeline, task, name)
);
create table if not exists wharf.load_fence (
  pipeline text not null,
  task text not null,
  token bigint not null,
  primary key (pipeline, task)
);
`

/** Two that install at once wait for each other. */
const INSTALL_LOCK = 0x77_6c_6f_61

export async function isInstalled(session: Session): Promise<boolean> {
  const rows = await session.query<{ installed: boolean }>(
    `select count(to_regclass(t)) = 3 and exists (
       select from pg_catalog.pg_attribute where attrelid = to_regclass('wharf.load_journal') and attname = 'written' and not attisdropped
     ) as installed from unnest(array['wharf.load_journal', 'wharf.load_file', 'wharf.load_fence']) t`,
  )
  return rows[0]?.installed === true
}

/** Creates what is missing. Rejects with `loads.not-installed` where the role may not. */
export async function install(session: Session, warehouse: string): Promise<void> {
  try {
    await session.query(`begin; select pg_advisory_xact_lock(${INSTALL_LOCK}); ${installSql} commit`)
  } catch (error) {
    await session.query('rollback').catch(() => {})
    if (codeOf(error) !== '42501' && codeOf(error) !== 'warehouse.denied') throw error
    const reason = messageOf(error)
    throw errors.notInstalled({ warehouse, reason, sql: installSql }, { cause: error })
  }
}

export async function ensureInstalled(session: Session, warehouse: string): Promise<void> {
  if (!(await isInstalled(session))) await install(session, warehouse)
}
