-- Recoverability over time: one row per warehouse and sample, kept for some days, for charts.
create schema if not exists assurance;

create table assurance.sample (
  warehouse text not null,
  at timestamptz not null,
  -- Null: everything would be lost, or it was not known.
  rpo_ms bigint,
  lag_bytes bigint,
  rto_ms bigint,
  cluster_bytes bigint,
  stored_bytes bigint,
  primary key (warehouse, at)
);
create index sample_at on assurance.sample using brin (at);
