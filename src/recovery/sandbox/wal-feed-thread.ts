// One thread that fetches segments for a sandbox: reading, decrypting, leaving out what is not wanted, writing.
import { chownSync, writeFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

import { freeNow } from '../../base/freed-memory.ts'
import { sendError, type SentError } from '../../base/sent-error.ts'
import type { PackWriterSeed } from '../../repository/contract.ts'
import { openWalArchive } from '../../repository/wal-archive.ts'
import { fetchFile, type FetchPlan } from '../get/fetch.ts'
import type { Owner } from '../restore/owner.ts'
import { writeError } from '../restore/write-error.ts'

export interface FeedThreadData {
  readonly seed: PackWriterSeed
  readonly plan: FetchPlan
  readonly owner: Pick<Owner, 'uid' | 'gid'> | undefined
}

export interface FeedOrder {
  readonly segment: string
  /** Where it is to be written, in one go, and not seen before it is renamed. */
  readonly path: string
}

/** `there`: false where the repository has nothing of it. */
export interface FeedAnswer {
  readonly path: string
  readonly there: boolean
  readonly error?: SentError | undefined
}

if (parentPort) {
  const port = parentPort
  const { seed, plan, owner } = workerData as FeedThreadData
  const wal = openWalArchive(seed)
  const perform = async ({ segment, path }: FeedOrder): Promise<boolean> => {
    const found = await fetchFile(await wal, segment, plan)
    if (!found) return false
    try {
      writeFileSync(path, found.bytes, { mode: 0o600 })
      if (owner) chownSync(path, owner.uid, owner.gid)
    } catch (error) {
      throw writeError(error, path)
    }
    freeNow(found.bytes)
    return true
  }
  port.on('message', (order: FeedOrder) => {
    const answer = (of: Omit<FeedAnswer, 'path'>): void =>
      port.postMessage({ path: order.path, ...of } satisfies FeedAnswer)
    perform(order).then(
      (there) => answer({ there }),
      (error: unknown) => answer({ there: false, error: sendError(error) }),
    )
  })
}
