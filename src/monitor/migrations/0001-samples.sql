-- Samples: one row per warehouse and tick; the values of all series as one array, in the order that a layout names.
create schema monitor;

create table monitor.layout (
  id bigint generated always as identity primary key,
  warehouse text not null,
  keys text[] not null,
  -- SHA-256 of the keys: arrays can be too large for an index.
  hash bytea not null,
  made_at timestamptz not null default clock_timestamp(),
  used_at timestamptz not null default clock_timestamp(),
  unique (warehouse, hash)
);

create table monitor.tick (
  warehouse text not null,
  at timestamptz not null,
  layout bigint not null references monitor.layout (id),
  -- NULL: not asked or not known at this tick.
  vals float8[] not null,
  primary key (warehouse, at)
);
create index tick_at on monitor.tick using brin (at);
