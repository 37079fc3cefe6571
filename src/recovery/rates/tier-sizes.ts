// How much of a backup must be there before the critical tier can be read: what a recovery with --critical-first restores first.
import type { Manifest } from '../../repository/contract.ts'
import { criticalPart } from '../critical/choice.ts'

export interface TierSizes {
  readonly bytes: number
  readonly files: number
  /** Undefined where no table is critical, or all are. */
  readonly critical:
    | {
        readonly bytes: number
        readonly files: number
        readonly relations: number
        /** Where a tier defers only what is not critical, replay begins later than for everything: so much less WAL. */
        readonly lessWalBytes: number
      }
    | undefined
}

export function tierSizes(manifest: Manifest): TierSizes {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0)
  const sizes = { bytes, files: manifest.files.length }
  const part = criticalPart(manifest)
  if (!part?.isPart) return { ...sizes, critical: undefined }
  const { choice, names } = part
  return {
    ...sizes,
    critical: {
      bytes: choice.keptBytes,
      files: choice.manifest.files.length,
      relations: names.length,
      lessWalBytes: Number(choice.manifest.replayFromLsn - manifest.replayFromLsn),
    },
  }
}
