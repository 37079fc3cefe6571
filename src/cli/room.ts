// The command line's own commands.
import type { Room } from '../base/room.ts'
import { completion } from './operations/completion.ts'

export const room: Room = {
  name: 'cli',
  summary: 'the command line',
  operations: [completion],
}
