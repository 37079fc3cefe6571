// The command line's own commands.
import type { Room } from '../base/room.ts'

export const room: Room = {
  name: 'cli',
  summary: 'the command line',
  operations: [],
}
