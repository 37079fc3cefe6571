// Check of WAL chunks and history files.
import { messageOf } from '../../base/errors.ts'
import { formatLsn } from '../../wal/lsn.ts'
import type { ObjectInfo, WalChunkInfo } from '../contract.ts'
import { errors } from '../errors.ts'
import { damaged, readDirectory } from '../object/decode.ts'
import { readHistory } from '../wal/archive.ts'
import { MOST_COPIES } from '../wal/stored-chunks.ts'
import { readChunk, readChunkIndex } from '../wal/chunk.ts'
import { chunkInfo, chunkName, parseHistoryName, parsePartialName } from '../wal/names.ts'
import { compareChunks } from '../wal/ranges.ts'
import { isDamage, type CheckTools } from './findings.ts'

export async function checkWalObject(object: ObjectInfo, tools: CheckTools): Promise<WalChunkInfo | undefined> {
  const info = chunkInfo(object)
  if (parseHistoryName(object.name)) {
    await tools.findings.attemptAny(object.name, tools, (name) => readHistory(name, tools))
    return undefined
  }
  const partial = parsePartialName(object.name)
  await tools.findings.attempt(object.name, async () => {
    if (partial) {
      await readChunk(
        { ...partial, object: object.name, storedBytes: object.bytes, modifiedMs: object.modifiedMs },
        tools,
      )
      return
    }
    if (!info) throw damaged(object.name, 'its name is not one of a WAL chunk')
    try {
      await checkChunk(info, tools)
    } catch (error) {
      if (!isDamage(error) || !(await isCopied(info, tools))) throw error
      tools.findings.healed.add(object.name)
    }
  })
  return info
}

async function checkChunk(info: WalChunkInfo, tools: CheckTools): Promise<void> {
  if (tools.levelOf(info.object) === 'all') {
    await readChunk(info, tools)
    return
  }
  await readDirectory(info.object, 'wal', { ...tools, objectBytes: info.storedBytes })
  await readChunkIndex(info, tools)
}

/** Whether a later copy holds the same range, whole. */
async function isCopied(info: WalChunkInfo, tools: CheckTools): Promise<boolean> {
  let isLater = false
  for (let copy = 1; copy <= MOST_COPIES; copy++) {
    const object = chunkName(info, copy)
    if (isLater ? !(await tools.store.stat(object, tools)) : true) {
      isLater ||= object === info.object
      continue
    }
    try {
      await readChunk({ ...info, object }, tools)
      return true
    } catch (error) {
      if (!isDamage(error)) throw error
    }
  }
  return false
}

/** Chunks that overlap must agree on what they share. Reads them again, but only those. */
export async function checkOverlaps(chunks: readonly WalChunkInfo[], tools: CheckTools): Promise<void> {
  if (!tools.everything) return
  const sorted = [...chunks].sort((one, other) =>
    one.systemIdentifier === other.systemIdentifier
      ? compareChunks(one, other)
      : one.systemIdentifier < other.systemIdentifier
        ? -1
        : 1,
  )
  let widest: WalChunkInfo | undefined
  for (const chunk of sorted) {
    const same = widest?.systemIdentifier === chunk.systemIdentifier && widest.timeline === chunk.timeline
    if (same && chunk.startLsn < widest!.endLsn) await compare(widest!, chunk, tools)
    if (!same || chunk.endLsn > widest!.endLsn) widest = chunk
  }
}

async function compare(one: WalChunkInfo, other: WalChunkInfo, tools: CheckTools): Promise<void> {
  const both = await Promise.all([readChunk(one, tools), readChunk(other, tools)]).catch(() => undefined)
  // A damaged one is a finding already.
  if (!both) return
  const end = one.endLsn < other.endLsn ? one.endLsn : other.endLsn
  const first = both[0].bytes.subarray(Number(other.startLsn - one.startLsn), Number(end - one.startLsn))
  const second = both[1].bytes.subarray(0, Number(end - other.startLsn))
  if (first.equals(second)) return
  const what = `WAL ${formatLsn(other.startLsn)} to ${formatLsn(end)} of timeline ${one.timeline} than ${one.object}`
  const error = errors.walConflict({ object: other.object, what })
  tools.findings.add({ object: other.object, code: error.code, message: messageOf(error) })
}
