// Events of this room. A backup never fails for want of a control database: events are best effort.
import { defineErrors, messageOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { controlDatabase, type ControlDatabase } from '../control/contract.ts'
import { runningControlDatabase } from '../control/running.ts'

/** How long an event may hold up a backup that is done. */
const LIMIT_MS = 10_000

const eventErrors = defineErrors('backup', {
  late: {
    exit: 'unreachable',
    message: (at: { what: string; seconds: number }) =>
      `${at.what}: the control database gave no answer for ${at.seconds} s`,
  },
})

export type BackupEventKind = 'backup.started' | 'backup.finished' | 'backup.failed' | 'backup.alert' | 'backup.copied'
/** What an operator must hear of is worth the start of the control database; the rest is told where it runs anyway. */
const urgent: ReadonlySet<BackupEventKind> = new Set(['backup.failed', 'backup.alert'])

export interface BackupEvents {
  emit(kind: BackupEventKind, data: Readonly<Record<string, unknown>>): Promise<void>
  /** Something urgent with the control database, under the same terms. */
  attempt<T>(what: string, work: (control: ControlDatabase) => Promise<T>): Promise<T | undefined>
}

/** `subject`: the warehouse. */
export function openEvents(context: Context, subject: string): BackupEvents {
  const attempt = async <T>(
    what: string,
    work: (control: ControlDatabase) => Promise<T>,
    open: () => Promise<ControlDatabase | undefined> = () => context.use(controlDatabase),
  ): Promise<T | undefined> => {
    const patience = new AbortController()
    const late = context.clock.sleep(LIMIT_MS, patience.signal).then(() => {
      throw eventErrors.late({ what, seconds: LIMIT_MS / 1000 })
    })
    late.catch(() => {})
    try {
      const done = open().then((control) => (control === undefined ? undefined : work(control)))
      return await Promise.race([done, late])
    } catch (error) {
      context.log.debug({ warehouse: subject, reason: messageOf(error) }, `${what} was not kept`)
      return undefined
    } finally {
      patience.abort()
    }
  }
  return {
    attempt: (what, work) => attempt(what, work),
    emit: async (kind, data) => {
      const open = urgent.has(kind) ? undefined : () => runningControlDatabase(context)
      await attempt(`event ${kind}`, (control) => control.emit({ kind, subject, data }), open)
    },
  }
}
