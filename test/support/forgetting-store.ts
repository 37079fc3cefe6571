// A store that can lose power: a file store that notes in a side folder what is not behind a barrier yet, so that cutPower() can take it away.
// Works over threads and processes: all instances share the folders, and all of them are dead after a cut until they are opened anew.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { codeOf, isWharfError } from '../../src/base/errors.ts'
import { systemRandom, type Random } from '../../src/base/random.ts'
import type {
  ObjectInfo,
  ObjectStore,
  ObjectVersion,
  ObjectWriter,
  PutOptions,
  StoreAbilities,
  StoreDescriptor,
} from '../../src/repository/contract.ts'
import { openStore as openPlainStore } from '../../src/repository/stores.ts'

export interface ForgettingOptions {
  /** Folder of the repository. */
  readonly path: string
  /** Side folder; must be on the same file system. */
  readonly journal: string
}

const encode = (name: string) => encodeURIComponent(name)
const decode = (file: string) => decodeURIComponent(file)

class PowerCut extends Error {
  constructor() {
    super('the power was cut')
  }
}

/** How StoreDescriptor { kind: 'module' } opens it; also for tests in the main thread. */
export async function openStore(options: unknown): Promise<ObjectStore> {
  const { path, journal } = options as ForgettingOptions
  for (const folder of ['pending', 'removed']) await mkdir(join(journal, folder), { recursive: true })
  return new ForgettingStore({ path, journal }, await openPlainStore({ kind: 'file', path }))
}

export function forgettingDescriptor(options: ForgettingOptions): StoreDescriptor {
  return { kind: 'module', module: import.meta.url, options }
}

function epochOf(journal: string): string {
  const file = join(journal, 'epoch')
  return existsSync(file) ? readFileSync(file, 'utf8') : '0'
}

class ForgettingStore implements ObjectStore {
  readonly location: string
  readonly descriptor: StoreDescriptor
  readonly abilities: StoreAbilities
  readonly retention: ObjectStore['retention']
  private readonly inner: ObjectStore
  private readonly options: ForgettingOptions
  private readonly epoch: string
  private readonly instance = systemRandom.bytes(8).toString('hex')
  private readonly pending = new Set<string>()
  private readonly removed = new Set<string>()
  /** Names of others that were refused here as taken: our next barrier covers them. */
  private readonly adopted = new Set<string>()

  constructor(options: ForgettingOptions, inner: ObjectStore) {
    this.options = options
    this.inner = inner
    this.location = inner.location
    this.abilities = inner.abilities
    this.retention = inner.retention
    this.descriptor = forgettingDescriptor(options)
    this.epoch = epochOf(options.journal)
  }

  private alive(): void {
    if (epochOf(this.options.journal) !== this.epoch) throw new PowerCut()
  }

  private marker(name: string): string {
    return join(this.options.journal, 'pending', `${encode(name)}@${this.instance}`)
  }

  /** Notes the name before the object can appear. */
  private async note(name: string): Promise<void> {
    this.alive()
    if (await this.inner.stat(name, { signal: new AbortController().signal })) return
    await writeFile(this.marker(name), '')
    this.pending.add(name)
  }

  private async forget(names: Iterable<string>): Promise<void> {
    for (const name of names) {
      await rm(this.marker(name), { force: true })
      this.pending.delete(name)
    }
  }

  /** An object that appeared in the instant of the cut is gone as well. */
  private async settle(name: string): Promise<void> {
    if (epochOf(this.options.journal) === this.epoch) return
    await this.inner.remove(name, { signal: new AbortController().signal })
    throw new PowerCut()
  }

  async put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void> {
    await this.note(name)
    try {
      await this.inner.put(name, chunks, options)
    } catch (error) {
      await this.forget([name])
      if (isWharfError(error, 'repository.object-exists')) this.adopted.add(name)
      throw error
    }
    await this.settle(name)
    if (!options.durable) return
    await this.forget([name])
    this.alive()
  }

  async create(name: string, options: Omit<PutOptions, 'durable'>): Promise<ObjectWriter> {
    this.alive()
    const writer = await this.inner.create(name, options)
    return {
      write: async (chunk) => {
        this.alive()
        await writer.write(chunk)
      },
      finish: async () => {
        await this.note(name)
        await writer.finish()
        await this.settle(name)
      },
      abandon: () => writer.abandon(),
    }
  }

  async get(
    name: string,
    options: { signal: AbortSignal; offset?: number; length?: number; version?: string | undefined },
  ): Promise<Buffer> {
    this.alive()
    return this.inner.get(name, options)
  }

  async stat(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined },
  ): Promise<ObjectInfo | undefined> {
    this.alive()
    return this.inner.stat(name, options)
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectInfo> {
    this.alive()
    yield* this.inner.list(prefix, options)
  }

  async *versions(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectVersion> {
    this.alive()
    yield* this.inner.versions(prefix, options)
  }

  async retain(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined; untilMs: number },
  ): Promise<void> {
    this.alive()
    await this.inner.retain(name, options)
  }

  /** A removal that is not behind a barrier may come undone: the object is kept aside. */
  async remove(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<void> {
    this.alive()
    const kept = join(this.options.journal, 'removed', encode(name))
    if (!this.pending.has(name)) {
      await link(join(this.options.path, name), kept).catch(() => {})
      this.removed.add(kept)
    }
    await this.inner.remove(name, options)
    await this.forget([name])
  }

  async barrier(options: { signal: AbortSignal }): Promise<void> {
    this.alive()
    const names = [...this.pending]
    const removed = [...this.removed]
    const adopted = [...this.adopted]
    this.adopted.clear()
    await this.inner.barrier(options)
    this.alive()
    await this.forget(names)
    for (const name of adopted) {
      const markers = readdirSync(join(this.options.journal, 'pending')).filter((file) =>
        file.startsWith(`${encode(name)}@`),
      )
      for (const marker of markers) await rm(join(this.options.journal, 'pending', marker), { force: true })
    }
    for (const kept of removed) {
      await rm(kept, { force: true })
      this.removed.delete(kept)
    }
    // A cut meanwhile may have taken what was to be forgotten only now: nobody may be told that it is durable.
    this.alive()
  }

  async now(options: { signal: AbortSignal }): Promise<number> {
    this.alive()
    return this.inner.now(options)
  }
}

export interface CutOptions extends ForgettingOptions {
  /** Chance in 256 that an object that is not behind a barrier survives whole; default 0: all are gone. Also that a removal stays. */
  readonly survives?: number
  /** Lets some of the rest survive with their end cut off: more than a file store can do, as a lesson for readers. */
  readonly torn?: boolean
  readonly random?: Random
}

/** The power goes: what was not behind a barrier is lost. Returns the names that were lost or torn. Open stores are dead from now on. */
export async function cutPower(options: CutOptions): Promise<string[]> {
  const { path, journal } = options
  const random = options.random ?? systemRandom
  writeFileSync(join(journal, 'epoch'), systemRandom.bytes(8).toString('hex'))
  const lost: string[] = []
  for (const file of readdirSync(join(journal, 'pending'))) {
    const name = decode(file.slice(0, file.lastIndexOf('@')))
    const object = join(path, name)
    // A barrier that was under way at the cut may have come to its end.
    await rm(join(journal, 'pending', file), { force: true })
    if (!existsSync(object) || random.integer(256) < (options.survives ?? 0)) continue
    lost.push(name)
    const isTorn = options.torn === true && random.integer(2) === 0
    try {
      if (isTorn) await tear(object, random)
      else await rm(object, { force: true })
    } catch (error) {
      // A store that noticed the cut in the middle of a put took its object back itself.
      if (codeOf(error) !== 'ENOENT') throw error
    }
  }
  for (const file of readdirSync(join(journal, 'removed'))) {
    const object = join(path, decode(file))
    const kept = join(journal, 'removed', file)
    if (existsSync(object) || random.integer(256) < (options.survives ?? 0)) await rm(kept, { force: true })
    else {
      await mkdir(dirname(object), { recursive: true })
      await rename(kept, object).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
      })
    }
  }
  return lost
}

/** Cuts a file without touching other links to it. */
async function tear(path: string, random: Random): Promise<void> {
  const content = await readFile(path)
  const bytes = random.integer(content.length + 1)
  await rm(path)
  await writeFile(path, content)
  await truncate(path, bytes)
}
