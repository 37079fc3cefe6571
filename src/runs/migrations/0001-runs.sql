-- Runs, tasks, attempts, their logs, and the occurrences of schedules. See README.md for states and invariants.
create schema runs;

-- Fencing tokens grow for ever, also across a control database that was lost and made anew: a warehouse remembers the
-- highest it has seen. So they start at the microseconds of the clock, far ahead of what counting could have reached.
create sequence runs.token;
select setval('runs.token', (extract(epoch from clock_timestamp()) * 1000000)::bigint);

create table runs.run (
  id text primary key,
  pipeline text not null,
  state text not null check (state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
  trigger text not null check (trigger in ('manual', 'schedule', 'after', 'http')),
  business_date text check (business_date ~ '^\d{4}-\d{2}-\d{2}$'),
  idempotency_key text unique,
  actor text not null,
  exclusive boolean not null,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  finished_at timestamptz,
  cancelled_by text
);
create index on runs.run (pipeline, created_at desc);
create index on runs.run (created_at) where state in ('queued', 'running');
create index on runs.run (finished_at) where state = 'succeeded';
-- Invariant 5: one at a time per pipeline, whatever the claim statement thinks.
create unique index run_exclusive on runs.run (pipeline) where exclusive and state = 'running';

create table runs.task (
  id bigint generated always as identity primary key,
  run_id text not null references runs.run on delete cascade,
  name text not null,
  position integer not null,
  kind text not null,
  input jsonb not null,
  needs text[] not null,
  pools jsonb not null,
  retries integer not null,
  retry_delay_ms bigint not null,
  timeout_ms bigint,
  state text not null check (state in ('waiting', 'ready', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')),
  ready_at timestamptz,
  -- Attempts begun; of these, failures and lost leases since the last manual retry.
  attempts integer not null default 0,
  failures integer not null default 0,
  losses integer not null default 0,
  -- Of the attempt that holds the task now.
  token bigint,
  worker text,
  lease_until timestamptz,
  cancel_requested_at timestamptz,
  progress jsonb,
  result jsonb,
  error jsonb,
  started_at timestamptz,
  finished_at timestamptz,
  unique (run_id, name),
  -- Invariant 1: a lease where and only where something runs.
  check ((state = 'running') = (lease_until is not null)),
  check (state <> 'running' or token is not null)
);
create index on runs.task (ready_at) where state = 'ready';
create index on runs.task (lease_until) where state = 'running';

create table runs.attempt (
  token bigint primary key,
  task_id bigint not null references runs.task on delete cascade,
  number integer not null,
  worker text not null,
  state text not null check (state in ('running', 'succeeded', 'failed', 'lost', 'released', 'cancelled')),
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  error jsonb,
  -- The warehouse backend that works for the attempt, so that a cancel or a lost lease reaches it.
  warehouse text,
  backend_pid integer,
  backend_start timestamptz,
  -- When the backend must be gone; reaped_at is set once that was seen.
  reap_wanted_at timestamptz,
  reaped_at timestamptz
);
create index on runs.attempt (task_id);
create index on runs.attempt (reap_wanted_at) where reap_wanted_at is not null and reaped_at is null;

create table runs.log (
  line bigint generated always as identity primary key,
  run_id text not null references runs.run on delete cascade,
  task_id bigint not null references runs.task on delete cascade,
  at timestamptz not null default clock_timestamp(),
  text text not null
);
create index on runs.log (run_id, line);

create table runs.schedule (
  id text primary key,
  definition text not null,
  -- Occurrences up to here have been decided.
  decided_until timestamptz not null
);

create table runs.occurrence (
  schedule_id text not null,
  nominal timestamptz not null,
  run_id text references runs.run on delete set null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (schedule_id, nominal)
);
