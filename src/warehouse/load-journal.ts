// The schema `wharf` inside a warehouse: the journal of loads, which files were loaded, the fence against late workers. Loads write it; a recovery that
// replays loads writes it as they do.
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

/**
 * Which loads were replayed into which tables. Unlogged as those tables are: whatever empties them after a crash or a restore empties this too, and what lies
 * in them is what stands here.
 */
export const replayedSql = `create schema if not exists wharf;
create unlogged table if not exists wharf.load_replayed (
  load_id text not null,
  relation text not null,
  replayed_at timestamptz not null default clock_timestamp(),
  primary key (load_id, relation)
);
`
