// Configuration of a restored cluster: what recovery needs, and for a copy everything that keeps it silent (design.md section 8).
import { MIB } from '../../base/units.ts'
import type { Manifest } from '../../repository/contract.ts'
import type { ControlData } from '../../wal/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import type { StopPoint } from '../target/resolve.ts'

/**
 * Libraries that define WAL resource managers of their own: without them replay stops. Every other preload library is left out of a
 * copy: schedulers, exporters and logical workers would act in the name of the original.
 */
const replayLibraries: readonly string[] = ['orioledb', 'pg_tde', 'neon', 'neon_rmgr', 'test_custom_rmgrs']

export function librariesForReplay(preload: string): readonly string[] {
  return libraryNames(preload).filter((name) => replayLibraries.includes(name))
}

/** Names in a shared_preload_libraries value, without folders and suffixes. */
export function libraryNames(preload: string): readonly string[] {
  return preload
    .split(',')
    .map((name) =>
      name
        .trim()
        .replaceAll('"', '')
        .replace(/^.*\//, '')
        .replace(/\.(so|dylib|dll)$/, ''),
    )
    .filter((name) => name !== '')
}

export type Settings = Readonly<Record<string, string>>

/** What PostgreSQL needs to recover to the target: valid until it is reached. */
export function recoverySettings(parts: {
  restoreCommand: string
  stop: StopPoint
  timeline: number
  endCommand?: string | undefined
}): Settings {
  return {
    restore_command: parts.restoreCommand,
    recovery_target_timeline: String(parts.timeline),
    ...targetSettings(parts.stop),
    recovery_target_action: 'promote',
    archive_cleanup_command: '',
    recovery_end_command: parts.endCommand ?? '',
  }
}

/** Every kind of target becomes an LSN, which PostgreSQL compares with the start of records. */
function targetSettings(stop: StopPoint): Settings {
  const none = {
    recovery_target: '',
    recovery_target_name: '',
    recovery_target_time: '',
    recovery_target_xid: '',
    recovery_target_lsn: '',
  }
  if (stop.kind === 'end') return none
  return {
    ...none,
    recovery_target_lsn: formatLsn(stop.lsn),
    recovery_target_inclusive: stop.kind === 'after' ? 'on' : 'off',
  }
}

/** PostgreSQL refuses to replay with less than the source had. The manifest may know of a later, larger value than pg_control. */
export function replayMinimums(control: ControlData, settings: Settings): Settings {
  const least = (name: string, known: number): string => String(Math.max(known, Number(settings[name] ?? 0) || 0))
  return {
    max_connections: least('max_connections', control.maxConnections),
    max_worker_processes: least('max_worker_processes', control.maxWorkerProcesses),
    max_wal_senders: least('max_wal_senders', control.maxWalSenders),
    max_prepared_transactions: least('max_prepared_transactions', control.maxPreparedTransactions),
    max_locks_per_transaction: least('max_locks_per_transaction', control.maxLocksPerTransaction),
  }
}

/** PostgreSQL does not start where min_wal_size or max_wal_size is less than two segments; initdb had seen to that in the original's own configuration. */
function roomForSegments(segmentBytes: number): Settings {
  const least = Math.ceil((2 * segmentBytes) / MIB)
  return {
    ...(least > DEFAULT_MIN_WAL_MB ? { min_wal_size: `${least}MB` } : {}),
    ...(least > DEFAULT_MAX_WAL_MB ? { max_wal_size: `${least}MB` } : {}),
  }
}
const DEFAULT_MIN_WAL_MB = 80
const DEFAULT_MAX_WAL_MB = 1024

export interface CopyParts {
  readonly control: ControlData
  readonly manifest: Pick<Manifest, 'settings'>
  readonly port: number
  /** Whether tablespaces lie in place, or may come to do so by replay. */
  readonly preload: readonly string[]
  readonly chosen: Settings
}

/** The whole configuration of a silent copy. Later entries win; `chosen` is what `--set` said. */
export function copySettings(parts: CopyParts): Settings {
  const { control, manifest } = parts
  return {
    // Nobody from outside, and nothing to the outside.
    listen_addresses: '127.0.0.1',
    port: String(parts.port),
    archive_mode: 'off',
    archive_command: '',
    archive_library: '',
    primary_conninfo: '',
    primary_slot_name: '',
    synchronous_standby_names: '',
    max_logical_replication_workers: '0',
    shared_preload_libraries: parts.preload.join(', '),
    session_preload_libraries: '',
    local_preload_libraries: '',
    ssl: 'off',
    // What replay needs.
    ...replayMinimums(control, manifest.settings),
    ...roomForSegments(control.walSegmentBytes),
    wal_level: control.walLevel === 'minimal' ? 'replica' : control.walLevel,
    hot_standby: 'on',
    track_commit_timestamp: manifest.settings['track_commit_timestamp'] ?? 'off',
    // Tablespaces made after the backup come in place: their old paths are the original server's.
    allow_in_place_tablespaces: 'on',
    // What data may depend on.
    ...pick(manifest.settings, [
      'TimeZone',
      'DateStyle',
      'IntervalStyle',
      'default_text_search_config',
      'bytea_output',
    ]),
    logging_collector: 'off',
    log_destination: 'stderr',
    lc_messages: 'C',
    ...parts.chosen,
  }
}

function pick(settings: Settings, names: readonly string[]): Settings {
  return Object.fromEntries(names.flatMap((name) => (settings[name] === undefined ? [] : [[name, settings[name]]])))
}

/** `name = 'value'` lines. */
export function formatSettings(settings: Settings): string {
  return Object.entries(settings)
    .map(
      ([name, value]) =>
        `${name} = '${value
          .replaceAll('\\', '\\\\')
          .replaceAll("'", "''")
          .replaceAll('\n', String.raw`\n`)}'\n`,
    )
    .join('')
}

export const beginMark = '# --- recovery settings by wharf: begin ---'
export const endMark = '# --- recovery settings by wharf: end ---'

/** A configuration file's text with the settings that hold until the target is reached. */
export function withRecovery(text: string, settings: Settings): string {
  const before = withoutRecovery(text)
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  return `${before}${gap}${beginMark}\n${formatSettings(settings)}${endMark}\n`
}

export function withoutRecovery(text: string): string {
  const from = text.indexOf(beginMark)
  const to = text.indexOf(endMark)
  if (from === -1 || to < from) return text
  return text.slice(0, from) + text.slice(to + endMark.length).replace(/^\n/, '')
}
