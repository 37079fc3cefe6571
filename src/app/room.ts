// What the program says about itself: version, configuration, doctor, up.
import type { Room } from '../base/room.ts'
import { versionOperation } from './operations/version.ts'

export const room: Room = {
  name: 'app',
  summary: 'version, configuration, doctor, and running everything',
  operations: [versionOperation],
}
