// A receiver that can be killed: tells over IPC what it has reported as durable.
import { Receiver } from '../../src/backup/receiver/receiver.ts'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import { warehouseFor } from '../support/warehouse.ts'

const [url = '', path = '', spool] = process.argv.slice(2)
const signal = new AbortController().signal
const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const
const repository = await openRepository({
  name: 'r',
  store: await openStore({ kind: 'file', path }),
  unlock,
  clock: systemClock,
  holder: 'test',
  signal,
})
const receiver = new Receiver({
  warehouse: warehouseFor({ url }),
  repositories: [repository],
  slot: 'wharf_retail',
  // With a spool it is synchronous.
  ...(spool === undefined ? {} : { spool }),
  sealAfterMs: 30,
  aliveAfterMs: 20_000,
  clock: systemClock,
  log: silentLog,
  alert: () => Promise.resolve(),
})
setInterval(() => {
  const durable = receiver.status()[0]?.durableLsn
  if (durable !== undefined) process.send?.({ durable })
}, 5)
await receiver.run(signal)
