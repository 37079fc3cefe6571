// What replay adds to the files of a sandbox: tables that grew or were made since the backup are written there as well.
import { BLOCK_BYTES, type RelationFile } from '../../wal/contract.ts'
import type { WalSurvey } from '../rates/wal-survey.ts'
import { keyOfPath } from '../server/scratch.ts'
import { keeps, type SandboxChoice } from './choice.ts'

/**
 * Told by the change maps: blocks that the backup does not have. An estimate: not every chunk may have been read, and a block that grew counts in each chunk that
 * changes it. So it is never taken for more than all WAL, which it may exceed where images are compressed there (wal_compression).
 */
export function grownBytes(
  survey: WalSurvey,
  choice: Pick<SandboxChoice, 'manifest' | 'leftOutKeys' | 'leftOutDatabases'>,
  of: { readonly toLsn: bigint; readonly walBytes: number },
): number {
  const { manifest } = choice
  const stored = new Map<string, number>()
  for (const file of manifest.files) {
    const key = file.kind === 'segment' && !/_(?:fsm|vm|init)/.test(file.path) ? keyOfPath(file.path) : undefined
    if (key !== undefined) stored.set(key, (stored.get(key) ?? 0) + file.bytes / BLOCK_BYTES)
  }
  // Where nothing is passed over, stubs are filled: their blocks are none of the backup's files here.
  const isKept = keeps(choice)
  const isNew = (file: RelationFile, block: number): boolean =>
    block >= (stored.get(`${file.tablespace}/${file.database}/${file.relfilenode}`) ?? 0)
  const blocks = survey.blocksWhere(manifest.replayFromLsn, of.toLsn, { isKept, isNew })
  return blocks === undefined ? of.walBytes : Math.min(of.walBytes, blocks * BLOCK_BYTES)
}
