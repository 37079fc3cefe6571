// A restore for tests, as simple as can be and independent of the recovery room: files laid out from the manifest, WAL by `cp` from the server's own
// archive. What it starts is judged by PostgreSQL itself.
import { createHash } from 'node:crypto'
import { chownSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { systemClock } from '../../src/base/clock.ts'
import type { ExtentReader, Manifest, ManifestFile, Repository } from '../../src/repository/contract.ts'
import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import { recoverAtLeastTo } from '../../src/wal/control-file.ts'
import { startServer, type Major, type TestServer } from '../support/postgres.ts'

export interface ReconstructOptions {
  readonly repository: Repository
  readonly id: string
  readonly major: Major
  /** An empty folder that the server's account may use; the data directory and tablespaces are made in it. */
  readonly folder: string
  /** Where the source's archive_command has put WAL. */
  readonly archive: string
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** Lines for postgresql.conf: recovery_target_… */
  readonly settings?: Readonly<Record<string, string>>
}

const signal = new AbortController().signal

/** The files alone, with label and recovery.signal: where the data directory is. */
export async function layOut(options: Omit<ReconstructOptions, 'major' | 'archive' | 'settings'>): Promise<string> {
  const { repository, owner } = options
  const manifest = await repository.readManifest(options.id, signal)
  const data = join(options.folder, 'data')
  const make = (path: string, mode: number): void => {
    mkdirSync(path, { recursive: true, mode })
    if (owner) chownSync(path, owner.uid, owner.gid)
  }
  make(data, 0o700)
  layTablespaces(manifest, { folder: options.folder, data, make })
  for (const folder of manifest.folders) make(join(data, folder.path), folder.mode)
  const reader = repository.openExtentReader()
  for (const file of manifest.files) {
    make(dirname(join(data, file.path)), 0o700)
    await layFile(file, { repository, reader, data })
    if (owner) chownSync(join(data, file.path), owner.uid, owner.gid)
  }
  const [oldest] = manifest.olderImages
  if (oldest) {
    const control = join(data, 'global/pg_control')
    const { stopLsn: lsn, timeline } = manifest
    writeFileSync(control, recoverAtLeastTo(readFileSync(control), { lsn, timeline }))
  }
  const backupLabel = oldest?.label ?? manifest.backupLabel
  const extra: Record<string, string> = { backup_label: backupLabel, 'recovery.signal': '' }
  if (manifest.tablespaceMap !== '') extra['tablespace_map'] = mapOf(manifest, options.folder)
  for (const [name, content] of Object.entries(extra)) {
    writeFileSync(join(data, name), content, { mode: 0o600 })
    if (owner) chownSync(join(data, name), owner.uid, owner.gid)
  }
  return data
}

export async function reconstruct(options: ReconstructOptions): Promise<TestServer> {
  const server = await startServer({
    major: options.major,
    dataDirectory: await layOut(options),
    startTimeoutMs: 120_000,
    settings: { restore_command: `cp ${options.archive}/%f %p`, archive_mode: 'off', ...options.settings },
  })
  // A hot standby answers long before it has replayed everything.
  for (;;) {
    const [row] = await server.psql<{ replaying: boolean }>('select pg_is_in_recovery() as replaying')
    if (row?.replaying === false) return server
    await systemClock.sleep(50)
  }
}

const spaceOf = (folder: string, oid: number): string => join(folder, `space-${oid}`)

function layTablespaces(
  manifest: Manifest,
  at: { folder: string; data: string; make: (path: string, mode: number) => void },
): void {
  at.make(join(at.data, 'pg_tblspc'), 0o700)
  for (const { oid, location } of manifest.tablespaces) {
    if (location === undefined) continue
    at.make(spaceOf(at.folder, oid), 0o700)
    symlinkSync(spaceOf(at.folder, oid), join(at.data, 'pg_tblspc', String(oid)))
  }
}

function mapOf(manifest: Manifest, folder: string): string {
  const linked = manifest.tablespaces.filter(({ location }) => location !== undefined)
  return linked.map(({ oid }) => `${oid} ${spaceOf(folder, oid)}\n`).join('')
}

async function layFile(
  file: ManifestFile,
  from: { repository: Repository; reader: ExtentReader; data: string },
): Promise<void> {
  const path = join(from.data, file.path)
  writeFileSync(path, '', { mode: file.mode })
  const handle = await open(path, 'r+')
  try {
    if (file.kind === 'plain') {
      const content = Buffer.concat(await Promise.all(file.extents.map((ref) => plainOf(from.reader, ref, file.path))))
      if (createHash('sha256').update(content).digest('hex') !== file.sha256)
        throw new Error(`${file.path} has another hash`)
      await handle.write(content, 0, content.length, 0)
      return
    }
    const [map] = await from.repository.readMaps([file.map], signal)
    if (map!.file !== file.path) throw new Error(`the map of ${file.path} is that of ${map!.file}`)
    truncateSync(path, map!.blockCount * BLOCK_BYTES)
    for (const [index, ref] of map!.extents.entries()) {
      const plain = await plainOf(from.reader, ref, file.path)
      for (const run of map!.runs.filter((one) => one.extent === index)) {
        await handle.write(plain, run.place * BLOCK_BYTES, run.count * BLOCK_BYTES, run.block * BLOCK_BYTES)
      }
    }
  } finally {
    await handle.close()
  }
}

async function plainOf(
  reader: ExtentReader,
  ref: Parameters<ExtentReader['read']>[1][number]['ref'],
  file: string,
): Promise<Buffer> {
  for await (const { plain } of reader.read(ref.pack, [{ ref, file }], signal)) return plain
  throw new Error(`no extent ${ref.number} in ${ref.pack}`)
}
