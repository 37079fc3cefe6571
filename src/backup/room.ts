import { offer, provide, type Room } from '../base/room.ts'
import { scheduleSources, taskKinds } from '../runs/contract.ts'
import { backupSection } from './config.ts'
import { protection } from './contract.ts'
import { list } from './operations/list.ts'
import { run } from './operations/run.ts'
import { show } from './operations/show.ts'
import { buildProtection } from './protection/service.ts'
import { backupSchedules, backupTask } from './schedules.ts'

export const room: Room = {
  name: 'backup',
  summary: 'taking backups, receiving WAL, what can be recovered',
  config: [backupSection],
  operations: [run, list, show],
  services: [provide(protection, (context) => buildProtection(context, () => Promise.resolve([])))],
  offers: [offer(taskKinds, backupTask), offer(scheduleSources, backupSchedules)],
}
