// The web console: built to dist/console and served by the room server.
import type { Room } from '../base/room.ts'

export const room: Room = { name: 'console', summary: 'the web console' }
