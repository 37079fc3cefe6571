// Events of this room. A backup never fails for want of a control database: events are best effort.
import { defineErrors, messageOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { controlDatabase, type ControlDatabase } from '../control/contract.ts'

/** How long an event may hold up a backup that is done. */
const LIMIT_MS = 10_000

const eventErrors = defineErrors('backup', {
  late: { exit: 'unreachable', message: (at: { what: string; seconds: number }) => `${at.what}: the control database gave no answer for ${at.seconds} s` },
})

export type BackupEventKind = 'backup.started' | 'backup.finished' | 'backup.failed' | 'backup.alert'

export interface BackupEvents {
  emit(kind: BackupEventKind, data: Readonly<Record<string, unknown>>): Promise<void>
  /** Something else with the control database, under the same terms. */
  attempt<T>(what: string, work: (control: ControlDatabase) => Promise<T>): Promise<T | undefined>
}

/** `subject`: the warehouse. The control database is opened (or started) beside the backup, not before it. */
export function openEvents(context: Context, subject: string): BackupEvents {
  const opened = context.use(controlDatabase).catch((error: unknown) => {
    context.log.debug({ warehouse: subject, reason: messageOf(error) }, 'no control database: events of this backup are not kept')
    return undefined
  })
  const attempt = async <T>(what: string, work: (control: ControlDatabase) => Promise<T>): Promise<T | undefined> => {
    try {
      const patience = new AbortController()
      const late = context.clock.sleep(LIMIT_MS, patience.signal).then(() => {
        throw eventErrors.late({ what, seconds: LIMIT_MS / 1000 })
      })
      const done = opened.then((control) => (control === undefined ? undefined : work(control)))
      return await Promise.race([done, late]).finally(() => {
        late.catch(() => {})
        patience.abort()
      })
    } catch (error) {
      context.log.warn({ warehouse: subject, reason: messageOf(error) }, `${what} failed`)
      return undefined
    }
  }
  return {
    attempt,
    emit: async (kind, data) => {
      await attempt(`event ${kind}`, (control) => control.emit({ kind, subject, data }))
    },
  }
}
