// What the server must say before a synchronous receiver takes commits upon itself.
import type { Warehouse } from '../../warehouse/contract.ts'
import { receiverErrors } from './errors.ts'
import { readStandbyNames } from './spool/standby-names.ts'

/** What an operator should change. Rejects with `backup.remote-apply`, which can never be answered. */
export async function synchronousWarnings(warehouse: Warehouse, name: string, signal: AbortSignal): Promise<string[]> {
  await using session = await warehouse.connect({ purpose: 'receive', signal, statementTimeoutMs: 30_000 })
  const [row] = await session.query<{ names: string; commit: string; somewhere: boolean }>(
    `SELECT current_setting('synchronous_standby_names') AS names, current_setting('synchronous_commit') AS commit,
       EXISTS (SELECT FROM pg_db_role_setting WHERE EXISTS (SELECT FROM unnest(setconfig) one WHERE one = 'synchronous_commit=remote_apply')) AS somewhere`,
  )
  const { names, commit, somewhere } = row!
  if (commit === 'remote_apply' || somewhere)
    throw receiverErrors.remoteApply({ warehouse: warehouse.declaration.name })
  const { namesUs, hasSecond } = readStandbyNames(names, name)
  if (!namesUs) return [`commits do not wait for us: synchronous_standby_names does not name ${name}`]
  if (commit === 'off' || commit === 'local') return [`commits do not wait for us: synchronous_commit is ${commit}`]
  if (!hasSecond)
    return [
      `no commit goes through while we are away: synchronous_standby_names should be ANY 1 (${name}, <another standby>)`,
    ]
  return []
}
