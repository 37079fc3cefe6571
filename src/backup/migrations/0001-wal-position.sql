-- Where receiving stands, as its process last said, for `wharf wal status` and the console in other processes. Nothing depends on it:
-- what is durable is what the repository lists.
create schema if not exists backup;

create table backup.wal_position (
  warehouse text not null,
  repository text not null,
  at timestamptz not null default clock_timestamp(),
  status jsonb not null,
  primary key (warehouse, repository)
);
