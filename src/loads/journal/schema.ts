// What this room keeps inside the warehouse: the journal of loads, which files were loaded, and the fence against late workers. Written in
// each load's own transaction, so that the load and its record appear together or not at all.
import { codeOf, messageOf } from '../../base/errors.ts'
import type { Session } from '../../warehouse/contract.ts'
import { installSql } from '../../warehouse/load-journal.ts'
import { errors } from '../errors.ts'

/** Two that install at once wait for each other. */
const INSTALL_LOCK = 0x77_6c_6f_61

export async function isInstalled(session: Session): Promise<boolean> {
  const rows = await session.query<{ installed: boolean }>(
    `select count(to_regclass(t)) = 3 and exists (
       select from pg_catalog.pg_attribute where attrelid = to_regclass('wharf.load_journal') and attname = 'written' and not attisdropped
     ) as installed from unnest(array['wharf.load_journal', 'wharf.load_file', 'wharf.load_fence']) t`,
  )
  return rows[0]?.installed === true
}

/** Creates what is missing. Rejects with `loads.not-installed` where the role may not. */
export async function install(session: Session, warehouse: string): Promise<void> {
  try {
    await session.query(`begin; select pg_advisory_xact_lock(${INSTALL_LOCK}); ${installSql} commit`)
  } catch (error) {
    await session.query('rollback').catch(() => {})
    if (codeOf(error) !== '42501' && codeOf(error) !== 'warehouse.denied') throw error
    const reason = messageOf(error)
    throw errors.notInstalled({ warehouse, reason, sql: installSql }, { cause: error })
  }
}

export async function ensureInstalled(session: Session, warehouse: string): Promise<void> {
  if (!(await isInstalled(session))) await install(session, warehouse)
}
