// A process of its own that uses the embedded control database of a home: started by crash tests, which kill it.
// Prints `ready <pid of the server>` and then `alive` after every statement.
import { room } from '../../src/control/room.ts'
import { controlDatabase } from '../../src/control/contract.ts'
import { systemClock } from '../../src/base/clock.ts'
import { isWharfError } from '../../src/base/errors.ts'
import { testContext } from './context.ts'

const [, , home = ''] = process.argv
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
{
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home, rooms: [room] }, scope)
  const database = await context.use(controlDatabase)
  console.log(`ready`)
  while (!stop.signal.aborted) {
    try {
      await database.emit({ kind: 'test.tick', subject: String(process.pid), data: {} })
      console.log('alive')
    } catch (error) {
      if (!isWharfError(error) || !error.passing) throw error
      console.log(`passing ${error.code}`)
    }
    await systemClock.sleep(20, stop.signal).catch(() => {})
  }
}
