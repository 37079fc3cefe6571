// A receiver in a process of its own, for bench/receive.ts: reports its CPU time and how far it got.
import { Receiver } from '../src/backup/receiver/receiver.ts'
import { systemClock } from '../src/base/clock.ts'
import { jsonLog } from '../src/base/log.ts'
import { openRepository } from '../src/repository/open.ts'
import { openStore } from '../src/repository/stores.ts'
import { warehouseFor } from '../test/support/warehouse.ts'

const [url = '', path = '', slot = ''] = process.argv.slice(2)
const stop = new AbortController()
const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const
const repository = await openRepository({
  name: 'r',
  store: await openStore({ kind: 'file', path }),
  unlock,
  clock: systemClock,
  holder: 'bench',
  signal: stop.signal,
})
const receiver = new Receiver({
  warehouse: warehouseFor({ url }),
  repositories: [repository],
  slot,
  sealAfterMs: 5000,
  aliveAfterMs: 60_000,
  clock: systemClock,
  log: jsonLog('warn'),
  alert: () => Promise.resolve(),
})
process.on('message', (message: 'usage' | 'stop') => {
  if (message === 'stop') stop.abort(new Error('the measurement is done'))
  else {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuSeconds: (user + system) / 1e6, durable: receiver.status()[0]?.durableLsn })
  }
})
await receiver.run(stop.signal)
process.disconnect()
