import { offer, provide, type Room } from '../base/room.ts'
import { scheduleSources, taskKinds } from '../runs/contract.ts'
import { recoveryEstimates } from './contract.ts'
import { drillsSection } from './drills/config.ts'
import { drillSchedules, drillTask } from './drills/schedules.ts'
import { accuracy } from './operations/accuracy.ts'
import { commits } from './operations/commits.ts'
import { block } from './operations/block.ts'
import { copies } from './operations/copies.ts'
import { database } from './operations/database.ts'
import { cutOver } from './operations/cut-over.ts'
import { drillList } from './operations/drill-list.ts'
import { drillReport } from './operations/drill-report.ts'
import { drillRun } from './operations/drill-run.ts'
import { drillShow } from './operations/drill-show.ts'
import { loads } from './operations/loads.ts'
import { plan } from './operations/plan.ts'
import { run } from './operations/run.ts'
import { table } from './operations/table.ts'
import { tablespace } from './operations/tablespace.ts'
import { validate } from './operations/validate.ts'
import { when } from './operations/when.ts'
import { buildEstimates } from './rates/estimates.ts'

export const room: Room = {
  name: 'recovery',
  summary: 'plans, restores, proof, drills, and how long it takes',
  config: [drillsSection],
  groups: {
    recover: 'bring a warehouse back: plan it, do it',
    'recover when': 'find out when something vanished',
    drill: 'rehearse recoveries in a sandbox, and keep the evidence',
  },
  operations: [
    plan,
    run,
    table,
    database,
    tablespace,
    cutOver,
    validate,
    copies,
    loads,
    accuracy,
    when,
    commits,
    block,
    drillRun,
    drillList,
    drillShow,
    drillReport,
  ],
  services: [provide(recoveryEstimates, buildEstimates)],
  offers: [offer(taskKinds, drillTask), offer(scheduleSources, drillSchedules)],
}
