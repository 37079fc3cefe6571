// The file store: a folder of immutable files. Each object is written to `.tmp/`, fsynced, and only then linked under its name, so a name
// never shows a torn object, not even after a power cut; the barrier makes the names themselves durable by fsyncing their folders.
// One fsync per object (tens of MB), none per chunk: a barrier is cheap because there is nothing left to wait for but folders.
import { link, mkdir, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { codeOf, messageOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { DAY_MS } from '../../base/units.ts'
import type {
  GetOptions,
  ObjectInfo,
  ObjectStore,
  ObjectVersion,
  ObjectWriter,
  PutOptions,
  StoreDescriptor,
} from '../contract.ts'
import { storeErrors as errors } from '../store-errors.ts'
import { storeFailure } from './failures.ts'
import { FileWriter } from './file-writer.ts'
import { compareNames, isBehind, requireObjectName } from './names.ts'
import { readRange, readRangeDirectly } from './read-file.ts'

const TEMPORARY = '.tmp'
/** File systems without hard links say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])
/** Some network file systems cannot fsync a folder and say one of these; there it is as durable as it can be. */
const NO_FOLDER_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'])
/** Files are looked up in groups of this size while listing. */
const LIST_WIDTH = 64

/** Folders 0700, files 0600. Instances in several threads and processes may share one folder. */
export class FileStore implements ObjectStore {
  readonly location: string
  readonly descriptor: StoreDescriptor
  readonly abilities = { versions: false, objectLock: false }
  private readonly root: string
  private readonly dirtyFolders = new Set<string>()
  /** Fsyncs that barriers have begun; never rejects, a failure stays in `failure`. */
  private syncing: Promise<unknown> = Promise.resolve()
  private swept: Promise<void> | undefined
  /** Set by the first fsync of a folder that failed: names may be lost, and a second fsync would not tell. */
  private failure: Error | undefined

  /** `path` must be absolute. Does no I/O. */
  constructor(path: string) {
    this.root = path
    this.location = `file:${path}`
    this.descriptor = { kind: 'file', path }
  }

  async put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const writer = await this.create(name, options)
    try {
      for (const chunk of chunks) await writer.write(chunk)
      await writer.finish()
    } catch (error) {
      await writer.abandon()
      throw error
    }
    if (options.durable) await this.syncFolders(foldersOf(this.root, name))
  }

  async create(name: string, options: { signal: AbortSignal }): Promise<ObjectWriter> {
    options.signal.throwIfAborted()
    requireObjectName(name)
    if (this.failure) throw this.failure
    const temporary = join(this.root, TEMPORARY, systemRandom.bytes(12).toString('hex'))
    try {
      this.swept ??= this.sweep()
      await this.swept
      const handle = await open(temporary, 'wx', 0o600)
      return new FileWriter({
        handle,
        temporary,
        name,
        location: this.location,
        signal: options.signal,
        publish: () => this.publish(temporary, name),
      })
    } catch (error) {
      this.swept = undefined
      throw storeFailure(this.location, `write ${name}`, error)
    }
  }

  private fail(folder: string, error: unknown): Error {
    this.failure = errors.syncFailed(
      { location: this.location, what: `folder ${folder}`, reason: messageOf(error) },
      { cause: error },
    )
    return this.failure
  }

  /** Removes what crashed writers left behind a day ago or earlier; makes the folder for temporary files. */
  private async sweep(): Promise<void> {
    await stat(this.root)
    const folder = join(this.root, TEMPORARY)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const now = await this.now({ signal: new AbortController().signal })
    for (const entry of await readdir(folder)) {
      const info = await stat(join(folder, entry)).catch(() => undefined)
      if (info && info.mtimeMs < now - DAY_MS) await rm(join(folder, entry), { force: true })
    }
  }

  private async publish(temporary: string, name: string): Promise<void> {
    const path = join(this.root, name)
    try {
      await linkNew(temporary, path)
    } catch (error) {
      // Whoever put it may not have come to its barrier: ours then covers it, for callers that are content with what is there.
      if (codeOf(error) === 'EEXIST') for (const folder of foldersOf(this.root, name)) this.dirtyFolders.add(folder)
      if (codeOf(error) === 'EEXIST') throw errors.objectExists({ name, location: this.location }, { cause: error })
      throw storeFailure(this.location, `write ${name}`, error)
    }
    for (const folder of foldersOf(this.root, name)) this.dirtyFolders.add(folder)
  }

  async get(name: string, options: GetOptions): Promise<Buffer> {
    const { signal, offset = 0, length, memory } = options
    signal.throwIfAborted()
    const path = join(this.root, requireObjectName(name))
    try {
      const direct =
        memory && length !== undefined ? await readRangeDirectly(path, { offset, length, memory }) : undefined
      return direct ?? (await readRange(path, { offset, length }))
    } catch (error) {
      throw await this.readFailure(name, error)
    }
  }

  /** ENOENT means a missing object only where the folder of the repository is there. */
  private async readFailure(name: string, error: unknown): Promise<Error> {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'EISDIR') {
      const root = await stat(this.root).catch(() => undefined)
      if (root?.isDirectory()) return errors.objectMissing({ name, location: this.location }, { cause: error })
    }
    return storeFailure(this.location, `read ${name}`, error)
  }

  async stat(name: string, options: { signal: AbortSignal }): Promise<ObjectInfo | undefined> {
    options.signal.throwIfAborted()
    try {
      const info = await stat(join(this.root, requireObjectName(name)))
      return info.isFile() ? { name, bytes: info.size, modifiedMs: Math.floor(info.mtimeMs) } : undefined
    } catch (error) {
      const failure = await this.readFailure(name, error)
      if (codeOf(failure) === 'repository.object-missing') return undefined
      throw failure
    }
  }

  async *list(
    prefix: string,
    options: { signal: AbortSignal; after?: string | undefined },
  ): AsyncGenerator<ObjectInfo> {
    const slash = prefix.lastIndexOf('/')
    const folder = prefix.slice(0, slash + 1)
    yield* this.walk(folder, prefix.slice(slash + 1), options)
  }

  private async *walk(
    folder: string,
    start: string,
    options: { signal: AbortSignal; after?: string | undefined },
  ): AsyncGenerator<ObjectInfo> {
    const { signal, after } = options
    signal.throwIfAborted()
    const entries = await this.entries(folder)
    // A folder stands where its first object stands in byte order: `a/` after `a.b`, before `a0`.
    const keys = entries
      .filter((entry) => !entry.name.startsWith('.') && entry.name.startsWith(start))
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .filter((key) => after === undefined || isBehind(`${folder}${key}`, after))
      .sort(compareNames)
    for (let at = 0; at < keys.length;) {
      const key = keys[at]!
      if (key.endsWith('/')) {
        yield* this.walk(`${folder}${key}`, '', options)
        at++
        continue
      }
      const group = keys.slice(at, at + LIST_WIDTH)
      const cut = group.findIndex((one) => one.endsWith('/'))
      const files = cut < 0 ? group : group.slice(0, cut)
      const infos = await Promise.all(files.map((file) => this.stat(`${folder}${file}`, { signal })))
      for (const info of infos) if (info) yield info
      at += files.length
    }
  }

  private async entries(folder: string) {
    try {
      return await readdir(join(this.root, folder), { withFileTypes: true })
    } catch (error) {
      if (codeOf(error) === 'ENOENT' && folder !== '') {
        const root = await stat(this.root).catch(() => undefined)
        if (root) return []
      }
      throw storeFailure(this.location, `list ${folder === '' ? 'objects' : folder}`, error)
    }
  }

  async *versions(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectVersion> {
    for await (const one of this.list(prefix, options))
      yield { ...one, version: undefined, isLatest: true, isDeleteMarker: false }
  }

  async retain(name: string, options: { signal: AbortSignal }): Promise<void> {
    options.signal.throwIfAborted()
    requireObjectName(name)
  }

  async remove(name: string, options: { signal: AbortSignal }): Promise<void> {
    options.signal.throwIfAborted()
    try {
      await unlink(join(this.root, requireObjectName(name)))
      this.dirtyFolders.add(dirname(join(this.root, name)))
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw storeFailure(this.location, `remove ${name}`, error)
    }
  }

  async barrier(options: { signal: AbortSignal }): Promise<void> {
    options.signal.throwIfAborted()
    const folders = [...this.dirtyFolders]
    this.dirtyFolders.clear()
    // What another barrier has taken out of the list and is still working on is not durable yet either.
    this.syncing = Promise.allSettled([this.syncing, this.syncFolders(folders)])
    await this.syncing
    if (this.failure) throw this.failure
  }

  private async syncFolders(folders: readonly string[]): Promise<void> {
    if (this.failure) throw this.failure
    await Promise.all(
      folders.map((folder) => syncFolder(folder).catch((error: unknown) => Promise.reject(this.fail(folder, error)))),
    )
  }

  /** The time that the file system gives a fresh file. On ext4 and xfs it is up to 4 ms behind. */
  async now(options: { signal: AbortSignal }): Promise<number> {
    options.signal.throwIfAborted()
    const probe = join(this.root, TEMPORARY, `clock-${systemRandom.bytes(12).toString('hex')}`)
    try {
      await makeTemporary(dirname(probe))
      const handle = await open(probe, 'wx', 0o600)
      try {
        return Math.floor((await handle.stat()).mtimeMs)
      } finally {
        await handle.close()
        await rm(probe, { force: true })
      }
    } catch (error) {
      throw storeFailure(this.location, 'read the clock', error)
    }
  }
}

/** Not with its parents: the folder of a repository that is not mounted must not be made. */
async function makeTemporary(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

/** Gives `temporary` its name unless that is taken (EEXIST); the folder is made. */
async function linkNew(temporary: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  try {
    await link(temporary, path)
    await unlink(temporary)
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error) ?? '')) throw error
    // No hard links here: reserve the name, then replace our own empty file. A crash in between leaves an empty object, which reads as damaged.
    await (await open(path, 'wx', 0o600)).close()
    await rename(temporary, path)
  }
}

/** All folders from the one that holds `name` up to the root. */
function foldersOf(root: string, name: string): string[] {
  const folders = [root]
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) folders.push(join(root, name.slice(0, at)))
  return folders
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } catch (error) {
    if (!NO_FOLDER_SYNC.has(codeOf(error) ?? '')) throw error
  } finally {
    await handle.close()
  }
}
