// The control database as far as events go: kept in a list.
import { provide, type Room } from '../../src/base/room.ts'
import { controlSection } from '../../src/control/config.ts'
import { controlDatabase, type ControlDatabase, type ControlEvent } from '../../src/control/contract.ts'

/** Its section of the configuration, which nobody connects to. */
export const controlConfig = { url: 'postgresql://nobody@127.0.0.1:1/none' }

/** `events`: all that was emitted, in order. */
export function listedEvents(): { readonly room: Room; readonly events: ControlEvent[] } {
  const events: ControlEvent[] = []
  const database = {
    emit: (event: ControlEvent) => Promise.resolve(void events.push(event)),
    query: () => Promise.resolve([]),
  } as unknown as ControlDatabase
  const room: Room = {
    name: 'control',
    summary: 'a list',
    config: [controlSection],
    services: [provide(controlDatabase, () => database)],
  }
  return { room, events }
}
