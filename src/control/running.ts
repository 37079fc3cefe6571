// The control database for those who can do without it.
import { stat } from 'node:fs/promises'

import type { Context } from '../base/room.ts'
import { serverRuns } from '../warehouse/servers.ts'
import { controlSection } from './config.ts'
import { controlDatabase, type ControlDatabase } from './contract.ts'
import { controlLayout } from './embedded/layout.ts'

/**
 * The control database where no server has to be started for it: an external one, or the embedded one while it runs. Undefined otherwise.
 * For records that are welcome but not worth a start (events of a backup, positions of WAL).
 */
export async function runningControlDatabase(context: Context): Promise<ControlDatabase | undefined> {
  const external = context.section(controlSection).url !== undefined
  if (!external && !(await serverRuns(controlLayout(context.home).dataDirectory))) return undefined
  return await context.use(controlDatabase)
}

/**
 * The control database if there is one at all: an external one, or the embedded one, which is started. Undefined where none was ever made. Rejects where
 * there is one that cannot be reached: what it says (holds) is then not known.
 */
export async function existingControlDatabase(context: Context): Promise<ControlDatabase | undefined> {
  const external = context.section(controlSection).url !== undefined
  const made = await stat(controlLayout(context.home).dataDirectory).catch(() => undefined)
  return external || made ? await context.use(controlDatabase) : undefined
}
