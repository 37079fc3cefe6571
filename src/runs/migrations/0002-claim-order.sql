-- Claims walk ready tasks in the order in which they were submitted, and ask for each whether its pipeline is free: both by index.
create index task_ready on runs.task (id) where state = 'ready';
drop index runs.task_ready_at_idx;
create index run_turn on runs.run (pipeline, created_at, id) where exclusive and state in ('queued', 'running');
