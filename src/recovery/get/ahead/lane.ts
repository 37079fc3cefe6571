// One thread that fetches: most of the work is decrypting and decompressing. Answers each name with what it laid into the spool.
import { isMainThread, parentPort, workerData } from 'node:worker_threads'

import { codeOf, messageOf } from '../../../base/errors.ts'
import { freeNow } from '../../../base/freed-memory.ts'
import { openWalArchive } from '../../../repository/wal-archive.ts'
import { fetchFile } from '../fetch.ts'
import { readOptions } from '../options.ts'
import { Spool, type Laid } from './spool.ts'

export interface LaneData {
  readonly dataDirectory: string
  /** Path of the options file. */
  readonly options: string
}

export interface LaneAnswer {
  readonly segment: string
  /** Why there is no room for it. */
  readonly full?: string | undefined
  readonly laid: Laid | undefined
}

/** Undefined for what is not there, not whole, or cannot be read: who asks the repository itself says why. Rejects where there is no room. */
export async function openLane({
  dataDirectory,
  options: file,
}: LaneData): Promise<(name: string) => Promise<Laid | undefined>> {
  const options = readOptions(file)
  const wal = await openWalArchive(options.seed)
  const spool = new Spool(dataDirectory)
  return async (name) => {
    try {
      const found = await fetchFile(wal, name, options)
      if (!found || found.partial) return undefined
      const laid = spool.lay(name, found.bytes)
      freeNow(found.bytes)
      return laid
    } catch (error) {
      if (isFull(error)) throw error
      return undefined
    }
  }
}

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '')

if (!isMainThread && parentPort) {
  const port = parentPort
  const fetch = openLane(workerData as LaneData)
  port.on('message', (segment: string) => {
    const answer = (of: Omit<LaneAnswer, 'segment'>): void => port.postMessage({ segment, ...of } satisfies LaneAnswer)
    void fetch.then((one) =>
      one(segment).then(
        (laid) => answer({ laid }),
        (error: unknown) => answer({ laid: undefined, full: messageOf(error) }),
      ),
    )
  })
}
