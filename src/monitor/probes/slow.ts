// The slow lane: what costs more to ask and changes little.
import type { Probe } from '../contract.ts'

export const slowLane: readonly Probe[] = [
  {
    name: 'sizes',
    lane: 'slow',
    sql: {
      15: `select datname as database, pg_database_size(oid) as bytes, age(datfrozenxid) as xid_age from pg_database
           where datallowconn and datconnlimit <> -2 order by oid limit 50`,
    },
    labels: ['database'],
    metrics: {
      bytes: { name: 'postgres_database_bytes', type: 'gauge', help: 'Size of the database' },
      xid_age: { name: 'postgres_database_xid_age', type: 'gauge', help: 'Transactions since the oldest unfrozen one' },
    },
  },
  {
    name: 'up',
    lane: 'slow',
    sql: { 15: `select extract(epoch from pg_postmaster_start_time()) as started` },
    labels: [],
    metrics: { started: { name: 'postgres_start_time_seconds', type: 'gauge', help: 'When the server started' } },
  },
]
