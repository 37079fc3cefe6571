import { daemons, offer, provide, type Room } from '../base/room.ts'
import { scheduleSources, taskKinds } from '../runs/contract.ts'
import { backupSection } from './config.ts'
import { checkTask, repositoryChecks } from './check-schedules.ts'
import { protection } from './contract.ts'
import { copiesDaemon, copyTask } from './copies-daemon.ts'
import { copies } from './operations/copies.ts'
import { copy } from './operations/copy.ts'
import { remove, restoreExpired } from './operations/delete.ts'
import { expire } from './operations/expire.ts'
import { hold } from './operations/hold.ts'
import { holds, release } from './operations/holds.ts'
import { list } from './operations/list.ts'
import { plan } from './operations/plan.ts'
import { report } from './operations/report.ts'
import { run } from './operations/run.ts'
import { show } from './operations/show.ts'
import { staticData } from './operations/static.ts'
import { unprotected } from './operations/unprotected.ts'
import { walArchiveCommand } from './operations/wal-archive-command.ts'
import { walReceive } from './operations/wal-receive.ts'
import { walStatus } from './operations/wal-status.ts'
import { overdueChecksDaemon } from './overdue-checks.ts'
import { buildProtection } from './protection/service.ts'
import { receiverDaemon } from './receive.ts'
import { noticesDaemon } from './receiver/notices.ts'
import { receivers, ReceiverRegistry } from './receiver/registry.ts'
import { walStatusOf } from './receiver/standing.ts'
import { expireSchedules, expireTask } from './retention/schedule.ts'
import { backupSchedules, backupTask } from './schedules.ts'
import { holesDaemon } from './holes.ts'
import { snapshotsDaemon } from './snapshot/daemon.ts'
import { walSection } from './wal-config.ts'

export const room: Room = {
  name: 'backup',
  summary: 'taking backups, receiving WAL, what can be recovered',
  config: [backupSection, walSection],
  groups: {
    backup: 'take backups of a warehouse, list and show them, plan and expire them',
    wal: 'receive the WAL of a warehouse, and show how far it is kept',
  },
  operations: [
    run,
    list,
    show,
    staticData,
    report,
    plan,
    expire,
    hold,
    holds,
    release,
    remove,
    restoreExpired,
    unprotected,
    copy,
    copies,
    walArchiveCommand,
    walReceive,
    walStatus,
  ],
  migrations: [
    { name: '0001-wal-position', file: new URL('migrations/0001-wal-position.sql', import.meta.url) },
    { name: '0002-unlogged-seen', file: new URL('migrations/0002-unlogged-seen.sql', import.meta.url) },
  ],
  services: [
    provide(protection, (context) => buildProtection(context, (name, signal) => walStatusOf(context, name, signal))),
    provide(receivers, (context) => new ReceiverRegistry(context)),
  ],
  offers: [
    offer(taskKinds, backupTask),
    offer(taskKinds, checkTask),
    offer(scheduleSources, backupSchedules),
    offer(scheduleSources, repositoryChecks),
    offer(daemons, receiverDaemon),
    offer(taskKinds, copyTask),
    offer(daemons, copiesDaemon),
    offer(daemons, noticesDaemon),
    offer(daemons, holesDaemon),
    offer(daemons, overdueChecksDaemon),
    offer(daemons, snapshotsDaemon),
    offer(taskKinds, expireTask),
    offer(scheduleSources, expireSchedules),
  ],
}
