// Receives WAL and takes backups, one after the other, into a store that can lose power. Argument: JSON of PowerChildOptions. Tells over IPC what it
// has acknowledged; is told how to die.
import { Receiver } from '../../../src/backup/receiver/receiver.ts'
import { takeBackup } from '../../../src/backup/engine/take.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { isWharfError } from '../../../src/base/errors.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { Repository } from '../../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../../src/repository/open.ts'
import { openTestWarehouse, takeDefaults } from '../../backup/world.ts'
import { openStore } from '../../support/forgetting-store.ts'
import { Fate, type Death } from './mortal-store.ts'

export interface PowerChildOptions {
  readonly url: string
  readonly folder: string
  readonly path: string
  readonly journal: string
  /** Only this, instead of everything else. */
  readonly initOnly: boolean
  readonly death?: Death
  /** Every so many backups one is full. */
  readonly fullEvery: number
}
export type Told =
  | { readonly kind: 'initialised' }
  | { readonly kind: 'durable'; readonly lsn: string }
  | { readonly kind: 'phase'; readonly phase: string }
  | { readonly kind: 'complete'; readonly id: string }

const options = JSON.parse(process.argv[2]!) as PowerChildOptions
const signal = new AbortController().signal
const unlock = { by: 'passphrase', passphrase: 'correct horse', scryptCost: 1024 } as const
const fate = new Fate()
if (options.death) fate.decide(options.death)
process.on('message', (death: Death) => fate.decide(death))
process.on('disconnect', () => process.exit(0))

function tell(told: Told): void {
  process.send?.(told)
}

const store = fate.wrap(await openStore({ path: options.path, journal: options.journal }))
if (!(await store.stat('format', { signal }))) {
  await initRepository({ store, unlock, signal })
  tell({ kind: 'initialised' })
}
const repository = await openRepository({
  name: 'r',
  store,
  unlock,
  clock: systemClock,
  holder: 'test',
  signal,
  leaseMs: 6000,
  packPlainBytes: 1_000_000,
})
if (options.initOnly) process.exit(0)
await work(repository)

async function work(repository: Repository): Promise<void> {
  const warehouse = openTestWarehouse(options.url, options.folder)
  const receiver = new Receiver({
    warehouse,
    repositories: [repository],
    slot: 'wharf_retail',
    sealAfterMs: 50,
    aliveAfterMs: 20_000,
    clock: systemClock,
    log: silentLog,
    alert: () => Promise.resolve(),
  })
  let last: string | undefined
  setInterval(() => {
    const lsn = receiver.status()[0]?.durableLsn
    if (lsn !== undefined && lsn !== last) tell({ kind: 'durable', lsn })
    last = lsn
  }, 5)
  void receiver.run(signal)
  const receiving = { waitUntilDurable: ({ lsn }: { lsn: bigint }) => receiver.waitDurable(lsn, signal) }
  for (let count = 1; ; count++) {
    try {
      const { manifest } = await takeBackup({
        ...takeDefaults({ warehouse, repository, receiving }),
        kind: count % options.fullEvery === 0 ? 'full' : 'incremental',
        report: ({ phase }) => {
          fate.phase(phase)
          tell({ kind: 'phase', phase })
        },
      })
      tell({ kind: 'complete', id: manifest.id })
    } catch (error) {
      if (!isWharfError(error, 'repository.busy')) throw error
    }
    await systemClock.sleep(100)
  }
}
