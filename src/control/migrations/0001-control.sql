-- Events, leases, holds and the audit chain. The table of migrations is made by the code that applies them.

-- Ids grow in the order of commits: whoever inserts holds an advisory lock until then (see events.ts), so that a reader
-- who asks for what came after an id misses nothing.
create table control.event (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  kind text not null check (kind ~ '^[a-z]+\.[a-z0-9-]+$'),
  subject text not null,
  data jsonb not null
);
create index event_kind_id on control.event (kind, id);
create index event_at on control.event using brin (at);

-- The row stays when the lease is given back, so that tokens only ever grow. They start at the microseconds of the
-- clock: a control database that is made anew goes on above all tokens of the one that was lost.
create table control.lease (
  name text primary key,
  owner text not null,
  token bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint,
  acquired_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);

create table control.hold (
  id text primary key,
  kind text not null,
  subject text not null,
  reason text not null,
  placed_by text not null,
  placed_at timestamptz not null default clock_timestamp(),
  until timestamptz,
  released_by text,
  released_at timestamptz
);
create index hold_in_force on control.hold (kind, subject) where released_at is null;

-- Each entry carries the hash of the one before it and of itself: a changed or missing row breaks the chain.
create table control.audit (
  id bigint primary key,
  at timestamptz not null,
  actor text not null,
  action text not null,
  subject text not null,
  detail jsonb not null,
  previous bytea not null,
  hash bytea not null unique
);
