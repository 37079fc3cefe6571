// How much a change map takes where it is kept, before compression.
import type { ChangeMap } from '../wal/contract.ts'
import { encodeChangeMap } from './wal/change-map.ts'

export function changeMapBytes(map: ChangeMap): number {
  return encodeChangeMap(map).length
}
