// Check of tombstones, revivals, holds and leases of readers.
import { isWharfError } from '../../base/errors.ts'
import type { ObjectInfo } from '../contract.ts'
import { prunePublicKeys } from '../keys/prune.ts'
import { readReader } from '../lease/reader.ts'
import { damaged } from '../object/decode.ts'
import { readHold } from '../prune/holds.ts'
import {
  HOLD_PREFIX,
  parseHoldName,
  parseReaderName,
  parseRevivalName,
  parseTombstoneName,
  READER_PREFIX,
  REVIVAL_PREFIX,
  TOMBSTONE_PREFIX,
} from '../prune/names.ts'
import { readRevival, readTombstone } from '../prune/standing.ts'
import type { CheckTools } from './findings.ts'

export function isOfPrune(name: string): boolean {
  return [TOMBSTONE_PREFIX, REVIVAL_PREFIX, HOLD_PREFIX, READER_PREFIX].some((prefix) => name.startsWith(prefix))
}

export async function checkOfPrune(object: ObjectInfo, tools: CheckTools): Promise<void> {
  const { name } = object
  try {
    if (parseTombstoneName(name)) await readTombstone(object, await prunePublicKeys(tools), tools)
    else if (parseRevivalName(name)) await readRevival(name, tools)
    else if (parseHoldName(name)) await checkHold(name, tools)
    else if (parseReaderName(name)) await readReader(name, tools)
    else throw damaged(name, 'its name is not one that wharf gives')
  } catch (error) {
    // A pruner or reader removed it while we read.
    if (isWharfError(error, 'repository.object-missing') && !(await tools.store.stat(name, tools))) return
    throw error
  }
}

async function checkHold(name: string, tools: CheckTools): Promise<void> {
  await readHold(name, tools)
}
