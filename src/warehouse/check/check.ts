// Everything that wharf needs from a warehouse, asked one by one. Changes nothing there.
import { access, constants, open } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import type { Session, Warehouse } from '../contract.ts'
import { lackingRights, quoteIdentifier, rightsFor, type FileSource } from '../rights.ts'
import { settingRules } from './settings.ts'

export interface Finding {
  /** What was looked at: `wal_level`, `right pg_monitor`. */
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly message: string
  /** SQL, a setting or a command that mends it. */
  readonly cure?: string
}

/** Rejects where no session can be had at all: the error says why. */
export async function checkWarehouse(
  warehouse: Warehouse,
  signal: AbortSignal,
  source: FileSource = 'disk',
): Promise<readonly Finding[]> {
  await using session = await warehouse.connect({ purpose: 'check', signal, statementTimeoutMs: 10_000 })
  return [
    await checkVersion(session),
    ...(await checkRights(session, source)),
    ...(await checkSettings(session)),
    await checkReplication(warehouse, session, signal),
    ...(await checkSlots(session)),
    ...(source === 'disk' ? [await checkDisk(session)] : []),
    checkRepositories(warehouse),
  ]
}

async function checkVersion(session: Session): Promise<Finding> {
  const [row] = await session.query<{ version: string }>(`select current_setting('server_version') as version`)
  // Connecting has refused what is not supported.
  return { check: 'version', state: 'ok', message: `PostgreSQL ${row?.version}` }
}

async function checkRights(session: Session, source: FileSource): Promise<readonly Finding[]> {
  const wanted = rightsFor(source)
  const { role, lacking } = await lackingRights(session, wanted)
  return wanted.map((right) => {
    const check = `right ${right.name}`
    const lack = lacking.find((one) => one.right === right)
    if (lack === undefined) return { check, state: 'ok', message: `held, to ${right.why}` }
    const state = right.need === 'always' ? 'failed' : 'warning'
    const message = `role ${quoteIdentifier(role)} lacks it; needed to ${right.why}`
    return { check, state, message, cure: lack.cure }
  })
}

async function checkSettings(session: Session): Promise<readonly Finding[]> {
  const columns = settingRules.map((rule) => `current_setting('${rule.name}') as ${rule.name}`)
  const [row] = await session.query<Record<string, string>>(`select ${columns.join(', ')}`)
  return settingRules.map((rule) => {
    const value = row?.[rule.name] ?? ''
    const judged = rule.judge(value)
    if (judged.state === 'ok') return { check: rule.name, state: 'ok', message: value }
    return { check: rule.name, state: judged.state, message: `${value}: ${judged.reason}`, cure: rule.cure }
  })
}

async function checkReplication(warehouse: Warehouse, session: Session, signal: AbortSignal): Promise<Finding> {
  const check = 'replication'
  try {
    await using replication = await warehouse.connectReplication({ purpose: 'check', signal })
    const { timeline } = await replication.identify()
    return { check, state: 'ok', message: `connections are let in, timeline ${timeline}` }
  } catch (error) {
    if (signal.aborted || !isWharfError(error)) throw error
    return { check, state: 'failed', message: error.message, cure: await replicationCure(error, session) }
  }
}

async function replicationCure(error: unknown, session: Session): Promise<string> {
  if (!/pg_hba/.test(messageOf(error))) return isWharfError(error) ? (error.hint ?? '') : ''
  const [row] = await session.query<{ role: string; address: string | null }>(
    'select current_user as role, host(inet_client_addr()) as address',
  )
  const role = quoteIdentifier(row!.role)
  const where = row?.address
    ? `host replication ${role} ${row.address}/${row.address.includes(':') ? 128 : 32}`
    : `local replication ${role}`
  return `add to pg_hba.conf: ${where} scram-sha-256 -- then SELECT pg_reload_conf();`
}

interface SlotRow {
  readonly slot_name: string
  readonly wal_status: string | null
  readonly active: boolean
}

async function checkSlots(session: Session): Promise<readonly Finding[]> {
  const slots = await session.query<SlotRow>(
    `select slot_name, wal_status, active from pg_replication_slots where slot_name like 'wharf%' order by slot_name`,
  )
  const [room] = await session.query<{ free: number }>(
    `select current_setting('max_replication_slots')::int - (select count(*)::int from pg_replication_slots) as free`,
  )
  const findings = slots.map((slot): Finding => {
    const check = `slot ${slot.slot_name}`
    if (slot.wal_status !== 'lost')
      return {
        check,
        state: 'ok',
        message: `${slot.active ? 'in use' : 'not in use'}, WAL ${slot.wal_status ?? 'not reserved'}`,
      }
    const cure = `SELECT pg_drop_replication_slot('${slot.slot_name}'); -- then take a full backup`
    return { check, state: 'failed', message: 'WAL that it needs is gone', cure }
  })
  if (slots.length > 0 || (room?.free ?? 0) > 0) return findings
  const cure = 'ALTER SYSTEM SET max_replication_slots = 10; -- then restart the server'
  return [...findings, { check: 'slots', state: 'failed', message: 'all replication slots are taken', cure }]
}

/** Whether the data directory can be read from this machine, and is this server's. */
async function checkDisk(session: Session): Promise<Finding> {
  const check = 'data directory'
  const cureRights = 'run wharf as the user that owns it, or allow its group to read: chmod -R g+rX DATA_DIRECTORY'
  let folder: string
  let wanted: bigint
  try {
    const [row] = await session.query<{ folder: string; id: string }>(
      `select current_setting('data_directory') as folder, system_identifier::text as id from pg_control_system()`,
    )
    folder = row!.folder
    wanted = BigInt(row!.id)
  } catch (error) {
    if (!isWharfError(error, 'warehouse.denied')) throw error
    return { check, state: 'failed', message: 'its path is not shown to this role', cure: 'see right pg_monitor' }
  }
  try {
    await access(join(folder, 'base'), constants.R_OK | constants.X_OK)
    if ((await systemIdentifierAt(folder)) === wanted)
      return { check, state: 'ok', message: `${folder} is readable from here` }
    return {
      check,
      state: 'failed',
      message: `${folder} on this machine belongs to another server`,
      cure: 'run backups on the machine of the server',
    }
  } catch (error) {
    const missing = codeOf(error) === 'ENOENT'
    if (missing)
      return {
        check,
        state: 'failed',
        message: `${folder} is not on this machine`,
        cure: 'run backups on the machine of the server',
      }
    return {
      check,
      state: 'failed',
      message: `${folder} cannot be read from here`,
      cure: cureRights.replace('DATA_DIRECTORY', folder),
    }
  }
}

/** The first eight bytes of pg_control, in every version. */
async function systemIdentifierAt(folder: string): Promise<bigint> {
  const file = await open(join(folder, 'global', 'pg_control'), 'r')
  try {
    const { buffer } = await file.read(Buffer.alloc(8), 0, 8, 0)
    return buffer.readBigUInt64LE(0)
  } finally {
    await file.close()
  }
}

function checkRepositories(warehouse: Warehouse): Finding {
  const { name, repositories } = warehouse.declaration
  const check = 'repositories'
  if (repositories.length > 0) return { check, state: 'ok', message: repositories.join(', ') }
  const cure = `declare one under repositories, and name it in warehouses.${name}.repositories`
  return { check, state: 'warning', message: 'nothing protects this warehouse', cure }
}
