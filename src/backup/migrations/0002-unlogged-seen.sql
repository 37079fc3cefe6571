-- What the counters of unlogged tables said when they were looked at: growth that the journal of loads does not explain is somebody else's
-- write. Only for naming it; nothing depends on it.
create table backup.unlogged_seen (
  warehouse text not null,
  database text not null,
  relation text not null,
  oid bigint not null,
  at timestamptz not null,
  rows_written bigint not null,
  rows_by_loads bigint not null,
  primary key (warehouse, database, relation, at)
);
