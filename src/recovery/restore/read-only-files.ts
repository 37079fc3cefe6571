// Files that their owner may not write to (a key of mode 0400, say) are writable while they are restored: it is not always root who restores.
import { open } from 'node:fs/promises'

import type { ManifestFile } from '../../repository/contract.ts'
import { placeOf, type Layout } from './layout.ts'
import { writeError } from './write-error.ts'

const OWNER_MAY_WRITE = 0o200

const isReadOnly = (file: Pick<ManifestFile, 'mode'>): boolean => (file.mode & OWNER_MAY_WRITE) === 0

/** With modes under which the restoring user may write. */
export function whileRestoring<M extends { readonly files: readonly ManifestFile[] }>(manifest: M): M {
  if (!manifest.files.some(isReadOnly)) return manifest
  const files = manifest.files.map((file) => (isReadOnly(file) ? { ...file, mode: file.mode | 0o600 } : file))
  return { ...manifest, files }
}

/** Their own modes, once nothing is written any more. */
export async function makeReadOnly(
  files: readonly Pick<ManifestFile, 'path' | 'mode'>[],
  { layout, durable }: { readonly layout: Layout; readonly durable: boolean },
): Promise<void> {
  for (const file of files.filter(isReadOnly)) {
    const path = placeOf(layout, file.path)
    try {
      await using handle = await open(path, 'r')
      await handle.chmod(file.mode & 0o777)
      if (durable) await handle.sync()
    } catch (error) {
      throw writeError(error, path)
    }
  }
}
