// The room of the control database.
import { daemons, doctorChecks, offer, provide, type Room } from '../base/room.ts'
import { controlSection } from './config.ts'
import { controlDatabase } from './contract.ts'
import { doctorCheck } from './doctor.ts'
import { housekeeping } from './housekeeping.ts'
import { openControlDatabase } from './open.ts'

export const room: Room = {
  name: 'control',
  summary: 'the control database: migrations, events, leases, holds, audit chain',
  config: [controlSection],
  migrations: [{ name: '0001-control', file: new URL('./migrations/0001-control.sql', import.meta.url) }],
  services: [provide(controlDatabase, openControlDatabase)],
  offers: [offer(daemons, housekeeping), offer(doctorChecks, doctorCheck)],
}
