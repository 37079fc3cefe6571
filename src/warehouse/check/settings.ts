// What the settings of a warehouse's server must be, and the statement that makes them so. Data, walked by check.ts.

export interface SettingRule {
  readonly name: string
  /** Sound, or what is wrong with the value as SHOW prints it. */
  judge(value: string): Judgement
  /** What to run as superuser. */
  readonly cure: string
}
export type Judgement = { readonly state: 'ok' } | { readonly state: 'warning' | 'failed'; readonly reason: string }

const ok: Judgement = { state: 'ok' }
const failed = (reason: string): Judgement => ({ state: 'failed', reason })
const warning = (reason: string): Judgement => ({ state: 'warning', reason })
const restart = 'then restart the server'
const reload = 'SELECT pg_reload_conf();'

export const settingRules: readonly SettingRule[] = [
  {
    name: 'wal_level',
    judge: (value) => (value === 'minimal' ? failed('WAL does not hold what a recovery needs') : ok),
    cure: `ALTER SYSTEM SET wal_level = 'replica'; -- ${restart}`,
  },
  {
    name: 'max_wal_senders',
    judge: (value) => (Number(value) < 2 ? failed('nobody could receive WAL') : ok),
    cure: `ALTER SYSTEM SET max_wal_senders = 10; -- ${restart}`,
  },
  {
    name: 'max_replication_slots',
    judge: (value) => (Number(value) < 1 ? failed('there is no room for a slot') : ok),
    cure: `ALTER SYSTEM SET max_replication_slots = 10; -- ${restart}`,
  },
  {
    name: 'max_slot_wal_keep_size',
    judge: (value) => (value === '-1' ? failed('a receiver that is away would fill the disk with WAL') : ok),
    cure: `ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; ${reload}`,
  },
  {
    name: 'full_page_writes',
    judge: (value) => (value === 'off' ? failed('a backup in use could hold torn pages that WAL does not mend') : ok),
    cure: `ALTER SYSTEM SET full_page_writes = on; ${reload}`,
  },
  {
    name: 'fsync',
    judge: (value) => (value === 'off' ? warning('a power cut can destroy the warehouse') : ok),
    cure: `ALTER SYSTEM SET fsync = on; ${reload}`,
  },
  {
    name: 'data_checksums',
    judge: (value) => (value === 'off' ? warning('damaged pages are noticed late or never') : ok),
    cure: 'stop the server and run: pg_checksums --enable -D DATA_DIRECTORY',
  },
  {
    name: 'wal_sender_timeout',
    judge: (value) => (value === '0' ? warning('a receiver that vanished keeps its slot busy for ever') : ok),
    cure: `ALTER SYSTEM SET wal_sender_timeout = '60s'; ${reload}`,
  },
]
