// The files that recovery itself writes into a data directory: label, map, signal, configuration.
import { open, readFile, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { formatTablespaceMap } from '../../wal/labels.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { copySettings, formatSettings, withRecovery, type CopyParts, type Settings } from './settings.ts'
import { writeError } from './write-error.ts'

/** Of files that the server itself would make: its group may read them where initdb was told so (--allow-group-access). */
function fileMode({ folders }: Pick<Manifest, 'folders'>): number {
  const base = folders.find((one) => one.path === 'base')?.mode ?? 0o700
  return (base & 0o050) === 0o050 ? 0o640 : 0o600
}

/** Writes a file of the data directory with its owner and mode, and fsyncs it; the folder is the caller's. Replaces what is there. */
export async function writeOwned(
  path: string,
  content: string | Uint8Array,
  owner: Owner | undefined,
  mode = 0o600,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.wharf`)
  try {
    {
      await using handle = await open(temporary, 'w', mode)
      await handle.chmod(mode)
      await handle.writeFile(content)
      if (owner) await handle.chown(owner.uid, owner.gid)
      await handle.sync()
    }
    await rename(temporary, path)
  } catch (error) {
    throw writeError(error, path)
  }
}

/**
 * backup_label, byte for byte as pg_backup_stop() gave it (where a tier has deferred something, at the end of the backup of the oldest image), and tablespace_map for the links as they are now: PostgreSQL makes the links anew
 * from it, so an old one would point into the original server.
 */
export async function writeLabels(layout: Layout, manifest: Manifest, owner: Owner | undefined): Promise<void> {
  const mode = fileMode(manifest)
  const links = layout.tablespaces.flatMap((one) =>
    one.target.kind === 'link' ? [{ oid: one.oid, path: one.target.path }] : [],
  )
  if (links.length > 0) await writeOwned(join(layout.root, 'tablespace_map'), formatTablespaceMap(links), owner, mode)
  const label = manifest.olderImages[0]?.label ?? manifest.backupLabel
  await writeOwned(join(layout.root, 'backup_label'), label, owner, mode)
}

export interface ConfigurationParts {
  readonly layout: Layout
  readonly manifest: Manifest
  readonly owner: Owner | undefined
  readonly recovery: Settings
  /** Undefined: `--original`, the configuration stays as it was. */
  readonly copy: CopyParts | undefined
  /** What `--set` said, for `--original`. */
  readonly chosen: Settings
  /** Default: recovery.signal. */
  readonly signalFile?: 'recovery.signal' | 'standby.signal' | undefined
}

const copyHead =
  '# Written by wharf: the configuration of a silent copy. It archives nothing, subscribes to nothing, runs no workers of\n' +
  '# extensions and listens on loopback only. The original files, where they lay here, end in .original.\n'

/** Configuration, then recovery.signal. */
export async function writeConfiguration(parts: ConfigurationParts): Promise<void> {
  const { layout, owner } = parts
  const mode = fileMode(parts.manifest)
  const at = (name: string): string => join(layout.root, name)
  if (parts.copy) {
    for (const name of ['postgresql.conf', 'postgresql.auto.conf']) await keepOriginal(at(name))
    await writeOwned(at('postgresql.conf'), copyHead + formatSettings(copySettings(parts.copy)), owner, mode)
    await writeOwned(at('postgresql.auto.conf'), withRecovery('', parts.recovery), owner, mode)
    await writeAccess(parts, { alsoOutside: true })
  } else {
    await writeAccess(parts, { alsoOutside: false })
    const auto = (await textOf(at('postgresql.auto.conf'))) ?? ''
    await writeOwned(
      at('postgresql.auto.conf'),
      withRecovery(auto, { ...parts.chosen, ...parts.recovery }),
      owner,
      mode,
    )
  }
  await writeOwned(at(parts.signalFile ?? 'recovery.signal'), '', owner, mode)
}

/**
 * A server needs pg_hba.conf, pg_ident.conf and postgresql.conf. Where they lay outside the data directory (as Debian has them) a copy takes
 * the backup's copies of them; --original expects them where they were and only fills in what is missing.
 */
async function writeAccess(parts: ConfigurationParts, options: { alsoOutside: boolean }): Promise<void> {
  const { layout, manifest, owner } = parts
  const defaults: Record<string, string> = {
    'pg_hba.conf': 'local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n',
    'pg_ident.conf': '',
  }
  for (const [name, fallback] of Object.entries(defaults)) {
    const path = join(layout.root, name)
    if ((await textOf(path)) !== undefined) continue
    const outside = manifest.outsideFiles.find((file) => basename(file.path) === name)
    if (outside && !options.alsoOutside) continue
    await writeOwned(path, outside?.content ?? fallback, owner, fileMode(manifest))
  }
}

async function keepOriginal(path: string): Promise<void> {
  await rename(path, `${path}.original`).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
  })
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
}
