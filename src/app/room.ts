// What the program says about itself: version, configuration, doctor, up.
import { daemons, doctorChecks, firstStarts, offer, type Room } from '../base/room.ts'
import { machineChecks } from './checks.ts'
import { demoDaemon } from './demo/daemon.ts'
import { demoFirstStart } from './demo/first-start.ts'
import { demoDisaster } from './demo/operations/disaster.ts'
import { demoRecover } from './demo/operations/recover.ts'
import { configCheck } from './operations/config-check.ts'
import { configExplain } from './operations/config-explain.ts'
import { configSchema } from './operations/config-schema.ts'
import { doctor } from './operations/doctor.ts'
import { up } from './operations/up.ts'
import { versionOperation } from './operations/version.ts'

export const room: Room = {
  name: 'app',
  summary: 'version, configuration, doctor, and running everything',
  groups: { config: 'check and explain wharf.yaml', demo: 'destroy the demo warehouse, and bring it back' },
  operations: [up, doctor, configCheck, configExplain, configSchema, versionOperation, demoDisaster, demoRecover],
  offers: [
    ...machineChecks.map((check) => offer(doctorChecks, check)),
    offer(firstStarts, demoFirstStart),
    offer(daemons, demoDaemon),
  ],
}
