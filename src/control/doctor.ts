// What `wharf doctor` says about the control database.
import { isWharfError } from '../base/errors.ts'
import type { DoctorCheck } from '../base/room.ts'
import { findBrokenAudit } from './audit.ts'
import { controlSection } from './config.ts'
import { controlDatabase } from './contract.ts'

export const doctorCheck: DoctorCheck = {
  name: 'control database',
  run: async (context) => {
    try {
      const database = await context.use(controlDatabase)
      const [row] = await database.query<{ version: string; bytes: bigint }>(
        `select current_setting('server_version') as version, pg_database_size(current_database()) as bytes`,
      )
      const broken = await findBrokenAudit(database)
      const hint = 'somebody changed control.audit by hand, or the disk lost data: compare with a copy'
      if (broken !== undefined)
        return { state: 'failed', message: `the audit chain is broken at entry ${broken}`, hint }
      const kind = context.section(controlSection).url === undefined ? 'embedded' : 'external'
      return {
        state: 'ok',
        message: `${kind} PostgreSQL ${row?.version}, ${Math.ceil(Number(row?.bytes) / 1048576)} MB`,
      }
    } catch (error) {
      if (!isWharfError(error)) throw error
      return { state: 'failed', message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
    }
  },
}
