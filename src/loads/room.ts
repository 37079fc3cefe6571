import { offer, provide, type Room } from '../base/room.ts'
import { scheduleSources, taskKinds } from '../runs/contract.ts'
import { openActivity } from './activity.ts'
import { commandKind } from './command/kind.ts'
import { pipelinesSection } from './config.ts'
import { loadActivity, loadJournal } from './contract.ts'
import { copyKind } from './copy/kind.ts'
import { openJournal } from './journal/read.ts'
import { loadCancel } from './operations/cancel.ts'
import { loadInstall } from './operations/install.ts'
import { loadJournalShow } from './operations/journal.ts'
import { loadList } from './operations/list.ts'
import { loadLog } from './operations/log.ts'
import { loadRetry } from './operations/retry.ts'
import { loadRun } from './operations/run.ts'
import { loadShow } from './operations/show.ts'
import { pipelineSchedules } from './pipeline.ts'
import { sqlKind } from './sql/kind.ts'

export const room: Room = {
  name: 'loads',
  summary: 'pipelines, task kinds, sources of files, the journal',
  config: [pipelinesSection],
  groups: { load: 'run pipelines that load files into a warehouse, and show what was loaded' },
  operations: [loadRun, loadList, loadShow, loadLog, loadRetry, loadCancel, loadJournalShow, loadInstall],
  services: [provide(loadJournal, openJournal), provide(loadActivity, openActivity)],
  offers: [
    offer(taskKinds, sqlKind),
    offer(taskKinds, copyKind),
    offer(taskKinds, commandKind),
    offer(scheduleSources, pipelineSchedules),
  ],
}
