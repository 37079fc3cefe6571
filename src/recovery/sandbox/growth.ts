// What replay adds to the files of a sandbox: tables that grew or were made since the backup are written there as well.
import { BLOCK_BYTES, type RelationFile } from '../../wal/contract.ts'
import type { WalSurvey } from '../rates/wal-survey.ts'
import { keyOfPath } from '../server/scratch.ts'
import { keeps, replaysAll, type SandboxChoice } from './choice.ts'

/** Told by the change maps: blocks that the backup does not have. An estimate where not every chunk was read, as long as all WAL at the most. */
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
  // Where nothing is passed over, stubs are filled.
  const isKept = replaysAll(manifest) ? () => true : keeps(choice)
  const isNew = (file: RelationFile, block: number): boolean =>
    block >= (stored.get(`${file.tablespace}/${file.database}/${file.relfilenode}`) ?? 0)
  const blocks = survey.blocksWhere(manifest.replayFromLsn, of.toLsn, { isKept, isNew })
  return blocks === undefined ? of.walBytes : Math.min(of.walBytes, blocks * BLOCK_BYTES)
}
