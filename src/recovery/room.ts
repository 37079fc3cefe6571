import { provide, type Room } from '../base/room.ts'
import { recoveryEstimates } from './contract.ts'
import { accuracy } from './operations/accuracy.ts'
import { copies } from './operations/copies.ts'
import { cutOver } from './operations/cut-over.ts'
import { plan } from './operations/plan.ts'
import { run } from './operations/run.ts'
import { validate } from './operations/validate.ts'
import { when } from './operations/when.ts'
import { buildEstimates } from './rates/estimates.ts'

export const room: Room = {
  name: 'recovery',
  summary: 'plans, restores, proof, and how long it takes',
  groups: {
    recover: 'bring a warehouse back: plan it, do it',
    'recover when': 'find out when something vanished',
  },
  operations: [plan, run, cutOver, validate, copies, accuracy, when],
  services: [provide(recoveryEstimates, buildEstimates)],
}
