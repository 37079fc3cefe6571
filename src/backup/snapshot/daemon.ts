// Snapshots that a process left behind when it was killed are released when `wharf up` starts, not only by the next backup.
import { messageOf } from '../../base/errors.ts'
import type { Daemon } from '../../base/room.ts'
import { releaseLeftovers } from './snapshot.ts'

export const snapshotsDaemon: Daemon = {
  name: 'snapshots left behind',
  run: async (context) => {
    const { home, log, environment } = context
    try {
      for (const note of await releaseLeftovers({ home, log, inherited: environment.variables })) log.info({}, note)
    } catch (error) {
      log.warn({}, `cannot look for snapshots left behind: ${messageOf(error)}`)
    }
  },
}
