// ClusterFiles on the node's own disk. The walk is synchronous in short stretches: on a local disk one call takes microseconds, and there is nothing to
// gain from a promise for each of a million files.
import { lstatSync, readdirSync, statSync, type Dirent, type Stats } from 'node:fs'
import { open, readdir, readlink, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import type { ManifestTablespace } from '../../repository/contract.ts'
import { backupErrors } from '../errors.ts'
import type { ClusterFiles, FileState, ListedEntry, ListedFile, ListOptions } from './cluster-files.ts'
import { CONTROL_FILE, emptiedFolders, isSkippedName, walFolders } from './exclusions.ts'
import { databaseFolder, isTemporaryRelation, parseSegmentName } from './paths.ts'

/** Entries looked at before other work of the process gets its turn. */
const STRETCH = 500

/** Tablespace → where its files are instead of where its link leads to: in a snapshot the links lead to the live server. */
export type Places = ReadonlyMap<number, string>

export function diskFiles(directory: string): ClusterFiles {
  return filesOf(directory, undefined)
}

/** Every tablespace that is a link must be among the places: what a link of a snapshot leads to is not of the snapshot. */
export function snapshotFiles(directory: string, places: Places): ClusterFiles {
  return filesOf(directory, places)
}

function filesOf(directory: string, places: Places | undefined): ClusterFiles {
  return {
    directory,
    descriptor: { kind: 'disk', directory, ...(places ? { places } : {}) },
    local: true,
    tablespaces: (signal) => listTablespaces(directory, places, signal),
    list: (options) => new Walk(directory, places, options).everything(),
    stat: (path) => statFile(placeOf(directory, path, places)),
    read: (path, at) => readStretch(placeOf(directory, path, places), at),
  }
}

/** Absolute path of a file of the cluster. */
export function placeOf(directory: string, path: string, places: Places | undefined): string {
  if (places === undefined || places.size === 0) return join(directory, path)
  const match = /^pg_tblspc\/(\d+)(?:\/(.*))?$/s.exec(path)
  const place = match && places.get(Number(match[1]))
  return place ? join(place, match[2] ?? '') : join(directory, path)
}

const permissions = (state: Stats): number => state.mode & 0o7777

async function statFile(path: string): Promise<FileState | undefined> {
  try {
    const state = await stat(path)
    return { mode: permissions(state), modifiedMs: Math.floor(state.mtimeMs), bytes: state.size }
  } catch (error) {
    return missing(error, path)
  }
}

async function readStretch(path: string, at: { offset: number; length: number }): Promise<Buffer | undefined> {
  let handle
  try {
    handle = await open(path, 'r')
  } catch (error) {
    return missing(error, path)
  }
  try {
    const buffer = Buffer.allocUnsafe(at.length)
    let filled = 0
    while (filled < at.length) {
      const { bytesRead } = await handle.read(buffer, filled, at.length - filled, at.offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } catch (error) {
    throw readError(error, path)
  } finally {
    await handle.close()
  }
}

/** Undefined for what is not there; every other trouble as an error an operator can read. */
export function missing(error: unknown, path: string): undefined {
  if (codeOf(error) === 'ENOENT') return undefined
  throw readError(error, path)
}

export function readError(error: unknown, path: string): Error {
  const code = codeOf(error)
  if (code === 'EACCES' || code === 'EPERM') return backupErrors.unreadable({ path }, { cause: error })
  return backupErrors.readFailed({ path, why: code ?? String(error) }, { cause: error })
}

/** The entries of pg_tblspc, checked: none inside the data directory or inside another, none dangling. */
async function listTablespaces(
  directory: string,
  moved: Places | undefined,
  signal: AbortSignal,
): Promise<readonly ManifestTablespace[]> {
  const home = join(directory, 'pg_tblspc')
  const found: ManifestTablespace[] = []
  const places: { oid: number; location: string; real: string }[] = []
  for (const entry of await readdir(home, { withFileTypes: true })) {
    signal.throwIfAborted()
    if (!/^\d+$/.test(entry.name)) continue
    const oid = Number(entry.name)
    if (entry.isDirectory()) found.push({ oid, name: '', location: undefined })
    if (!entry.isSymbolicLink()) continue
    const place = await resolveTablespace(join(home, entry.name), oid, moved)
    if (place) places.push(place)
  }
  refuseNested(await realpath(directory), places)
  return [...found, ...places.map(({ oid, location }) => ({ oid, name: '', location }))].toSorted(
    (one, other) => one.oid - other.oid,
  )
}

async function resolveTablespace(
  link: string,
  oid: number,
  moved: Places | undefined,
): Promise<{ oid: number; location: string; real: string } | undefined> {
  let location
  try {
    location = await readlink(link)
  } catch (error) {
    return missing(error, link)
  }
  const place = moved ? moved.get(oid) : location
  if (place === undefined) throw backupErrors.snapshotWithoutTablespace({ oid, location })
  try {
    return { oid, location, real: await realpath(place) }
  } catch (error) {
    if (moved) throw backupErrors.snapshotPlaceMissing({ oid, location, place }, { cause: error })
    if (codeOf(error) !== 'ENOENT') throw readError(error, location)
    // DROP TABLESPACE removes folder and link: gone altogether is fine, a link to nothing is not.
    if ((await readlink(link).catch(() => undefined)) === undefined) return undefined
    throw backupErrors.tablespaceMissing({ oid, location })
  }
}

export function refuseNested(home: string, places: readonly { oid: number; location: string; real: string }[]): void {
  const inside = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`)
  for (const place of places) {
    if (inside(place.real, home))
      throw backupErrors.tablespaceInside({ oid: place.oid, location: place.location, outer: 'the data directory' })
    const outer = places.find((other) => other !== place && inside(place.real, other.real))
    if (outer)
      throw backupErrors.tablespaceInside({
        oid: place.oid,
        location: place.location,
        outer: `tablespace ${outer.oid}`,
      })
  }
}

/** Folders of PostgreSQL's own in which a symbolic link would mean that data is missed. */
const ownFolder = /^(base|global|pg_[a-z]+)(\/|$)/

class Walk {
  private readonly directory: string
  private readonly places: Places | undefined
  private readonly options: ListOptions

  constructor(directory: string, places: Places | undefined, options: ListOptions) {
    this.directory = directory
    this.places = places
    this.options = options
  }

  async *everything(): AsyncGenerator<ListedEntry> {
    for (const { path, since } of walFolders) {
      if (since <= this.options.majorVersion) yield { kind: 'folder', path, mode: this.modeOf(path) }
    }
    let looked = 0
    for (const entry of this.folder('')) {
      if (++looked % STRETCH === 0) await this.breathe()
      yield entry
    }
  }

  private modeOf(path: string): number {
    try {
      return permissions(statSync(placeOf(this.directory, path, this.places)))
    } catch {
      return 0o700
    }
  }

  private *folder(path: string): Generator<ListedEntry> {
    const entries = this.entries(path)
    if (entries === undefined) return
    const database = databaseFolder(path)
    const unlogged = database ? unloggedNumbers(entries.map(({ name }) => name)) : undefined
    for (const entry of entries) {
      if (isSkippedName(entry.name)) continue
      if (database && isTemporaryRelation(entry.name)) continue
      // Joined it lies in memory in one piece, not as two halves and what holds them together.
      const inner = path === '' ? entry.name : [path, entry.name].join('/')
      if (entry.isDirectory() || entry.isSymbolicLink()) yield* this.folderOrLink(inner, entry)
      else if (entry.isFile()) yield* this.file(inner, entry.name, unlogged)
      else yield { kind: 'odd', path: inner, what: 'neither file nor folder' }
    }
  }

  private entries(path: string): Dirent[] | undefined {
    const full = placeOf(this.directory, path, this.places)
    try {
      return readdirSync(full, { withFileTypes: true })
    } catch (error) {
      return path === '' && codeOf(error) === 'ENOENT' ? noDirectory(this.directory) : missing(error, full)
    }
  }

  /** Lets other work of the process (the keepalive, the signal) have its turn. */
  private async breathe(): Promise<void> {
    this.options.signal.throwIfAborted()
    await new Promise<void>((done) => setImmediate(done))
    this.options.signal.throwIfAborted()
  }

  private *folderOrLink(path: string, entry: Dirent): Generator<ListedEntry> {
    if (emptiedFolders.has(path)) {
      if (path !== 'pg_wal') yield { kind: 'folder', path, mode: this.modeOf(path) }
      return
    }
    if (/^pg_tblspc\/\d+$/.test(path)) {
      yield { kind: 'folder', path, mode: this.modeOf(path) }
      yield* this.tablespace(path)
      return
    }
    if (entry.isDirectory()) {
      yield { kind: 'folder', path, mode: this.modeOf(path) }
      yield* this.folder(path)
      return
    }
    yield* this.link(path)
  }

  /** Only our own version's folder; other versions share the place after pg_upgrade. */
  private *tablespace(path: string): Generator<ListedEntry> {
    const own = `${path}/${this.options.versionFolder}`
    if (this.entries(own) === undefined) return
    yield { kind: 'folder', path: own, mode: this.modeOf(own) }
    yield* this.folder(own)
  }

  /** A link to a file is kept as the file it leads to (Debian links configuration); one to a folder is left out as PostgreSQL does. */
  private *link(path: string): Generator<ListedEntry> {
    const full = placeOf(this.directory, path, this.places)
    let target
    try {
      target = statSync(full)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw readError(error, full)
    }
    if (ownFolder.test(path))
      throw backupErrors.oddLink({ path, target: target === undefined ? 'nothing' : 'another place' })
    if (target?.isFile()) yield plainFile('plain', path, target)
    else yield { kind: 'odd', path, what: 'symbolic link' }
  }

  private *file(path: string, name: string, unlogged: ReadonlySet<number> | undefined): Generator<ListedEntry> {
    if (path === CONTROL_FILE) return
    const full = placeOf(this.directory, path, this.places)
    let state
    try {
      state = lstatSync(full)
    } catch (error) {
      missing(error, full)
      return
    }
    const segment = unlogged && parseSegmentName(name)
    if (segment && segment.fork !== 'init' && unlogged.has(segment.relfilenode))
      yield { kind: 'unlogged', path, bytes: state.size }
    else yield plainFile(segment ? 'segment' : 'plain', path, state)
  }
}

function noDirectory(directory: string): never {
  throw backupErrors.noDirectory({ directory })
}

function plainFile(kind: ListedFile['kind'], path: string, state: Stats): ListedFile {
  return { kind, path, mode: permissions(state), modifiedMs: Math.floor(state.mtimeMs), bytes: state.size }
}

/** Relations that have an init fork are unlogged: their other forks are emptied at the first start after a crash or restore. */
export function unloggedNumbers(names: readonly string[]): ReadonlySet<number> {
  const numbers = new Set<number>()
  for (const name of names) {
    if (!name.includes('_init')) continue
    const segment = parseSegmentName(name)
    if (segment?.fork === 'init') numbers.add(segment.relfilenode)
  }
  return numbers
}
