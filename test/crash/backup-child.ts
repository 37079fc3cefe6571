// Takes one backup in a process of its own, so that it can be killed. Argument: JSON of ChildOptions. Prints the id when it is complete.
import { Client } from 'pg'

import { takeBackup } from '../../src/backup/engine/take.ts'
import type { BackupKind } from '../../src/repository/contract.ts'
import { ArchiveReceiver } from '../backup/archive-receiver.ts'
import { openTestRepository, openTestWarehouse, takeDefaults } from '../backup/world.ts'
import type { Major } from '../support/postgres.ts'

export interface ChildOptions {
  readonly url: string
  readonly major: Major
  readonly folder: string
  readonly repository: string
  readonly archive: string
  readonly kind: BackupKind
  readonly leaseMs: number
  /** The phase at which the process stops itself (SIGSTOP), as if the machine had paused it. */
  readonly pauseAt?: string
  /** Small packs, noted as soon as they have ended, and time to be killed in. */
  readonly slow?: { readonly packPlainBytes: number; readonly bytesPerSecond: number }
}

const options = JSON.parse(process.argv[2]!) as ChildOptions
const repository = await openTestRepository(options.repository, { ...options, ...options.slow })
const warehouse = openTestWarehouse(options.url, options.folder)
const facts = await warehouse.facts(new AbortController().signal)
const psql = async <Row extends object>(sql: string): Promise<Row[]> => {
  const client = new Client({ connectionString: options.url })
  await client.connect()
  try {
    return (await client.query<Row>(sql)).rows
  } finally {
    await client.end()
  }
}
const server = { major: options.major, psql }
const receiving = new ArchiveReceiver({ server, archive: options.archive, repository, ...facts })
const { manifest } = await takeBackup({
  ...takeDefaults({ warehouse, repository, receiving }),
  kind: options.kind,
  ...(options.slow && {
    noteEveryMs: 0,
    throttle: { bytesPerSecond: options.slow.bytesPerSecond, foreground: undefined, lowPriority: false },
  }),
  report: ({ phase }) => {
    process.stderr.write(`${phase}\n`)
    if (phase === options.pauseAt) process.kill(process.pid, 'SIGSTOP')
  },
})
process.stdout.write(`${manifest.id}\n`)
