// global/pg_control, read while the server writes it, and what it proves: that this directory is the one of the server we talk to.
import type { Clock } from '../../base/clock.ts'
import { BLOCK_BYTES, BLOCKS_PER_SEGMENT, type ControlData } from '../../wal/contract.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { formatLsn, type Lsn } from '../../wal/lsn.ts'
import type { ServerFacts } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { CONTROL_FILE } from '../source/exclusions.ts'

const TRIES = 20
const PAUSE_MS = 50
/** PG_CONTROL_FILE_SIZE. */
/** Of the whole file, which is padded. */
export const CONTROL_BYTES = 8192

/** The bytes and what they say. The server rewrites the file in place: a torn read shows in the CRC and is tried again. */
export async function readControlFile(
  files: ClusterFiles,
  tools: { clock: Clock; signal: AbortSignal },
): Promise<{ bytes: Buffer; data: ControlData }> {
  for (let tries = 1; ; tries++) {
    tools.signal.throwIfAborted()
    const bytes = await files.read(CONTROL_FILE, { offset: 0, length: CONTROL_BYTES })
    if (bytes === undefined) throw backupErrors.noDirectory({ directory: files.directory })
    if (bytes.length === CONTROL_BYTES) {
      const data = parseControlFile(bytes)
      if (data.crcIsGood) return { bytes, data }
    }
    if (tries === TRIES) throw backupErrors.badControlFile({ path: `${files.directory}/${CONTROL_FILE}`, tries })
    await tools.clock.sleep(PAUSE_MS, tools.signal)
  }
}

/** Rejects a directory of another cluster, and a copy of the right one: that has not seen the checkpoint we have just asked for. */
export function checkIdentity(
  control: ControlData,
  server: { facts: ServerFacts; warehouse: string; directory: string; startLsn: Lsn },
): void {
  const { facts, warehouse, directory, startLsn } = server
  const refuse = (why: string): Error => backupErrors.otherServer({ directory, warehouse, why })
  if (control.systemIdentifier !== facts.systemIdentifier) {
    throw refuse(`its system identifier is ${control.systemIdentifier}, the server's is ${facts.systemIdentifier}`)
  }
  if (control.redoLsn < startLsn) {
    throw refuse(`its last checkpoint is from ${formatLsn(control.redoLsn)}, the server's from ${formatLsn(startLsn)}`)
  }
  if (control.blockBytes !== BLOCK_BYTES || control.blocksPerSegment !== BLOCKS_PER_SEGMENT) {
    throw backupErrors.oddBuild({
      warehouse,
      blockBytes: control.blockBytes,
      blocksPerSegment: control.blocksPerSegment,
    })
  }
}
