// A store with a clock that tests move: its own time, and the times of the objects that were put through it.
import type { ObjectInfo, ObjectStore, ObjectVersion, ObjectWriter, PutOptions } from '../../src/repository/contract.ts'

export interface MovedClock {
  nowMs: number
  /** Name → when it was put. Shared by all instances over one folder. */
  readonly times: Map<string, number>
}

export class ClockedStore implements ObjectStore {
  readonly location: string
  readonly abilities: ObjectStore['abilities']
  readonly descriptor: ObjectStore['descriptor']
  private readonly inner: ObjectStore
  private readonly clock: MovedClock

  constructor(inner: ObjectStore, clock: MovedClock) {
    this.inner = inner
    this.clock = clock
    this.location = inner.location
    this.abilities = inner.abilities
    this.descriptor = inner.descriptor
  }

  private dated<T extends { readonly name: string; readonly modifiedMs: number }>(info: T): T {
    return { ...info, modifiedMs: this.clock.times.get(info.name) ?? info.modifiedMs }
  }

  async put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void> {
    await this.inner.put(name, chunks, options)
    this.clock.times.set(name, this.clock.nowMs)
  }

  async create(name: string, options: Omit<PutOptions, 'durable'>): Promise<ObjectWriter> {
    const writer = await this.inner.create(name, options)
    return {
      write: (chunk) => writer.write(chunk),
      finish: async () => {
        await writer.finish()
        this.clock.times.set(name, this.clock.nowMs)
      },
      abandon: () => writer.abandon(),
    }
  }

  get(name: string, options: Parameters<ObjectStore['get']>[1]): Promise<Buffer> {
    return this.inner.get(name, options)
  }

  async stat(name: string, options: Parameters<ObjectStore['stat']>[1]): Promise<ObjectInfo | undefined> {
    const info = await this.inner.stat(name, options)
    return info && this.dated(info)
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectInfo> {
    for await (const info of this.inner.list(prefix, options)) yield this.dated(info)
  }

  async *versions(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectVersion> {
    for await (const info of this.inner.versions(prefix, options)) yield this.dated(info)
  }

  remove(name: string, options: Parameters<ObjectStore['remove']>[1]): Promise<void> {
    return this.inner.remove(name, options)
  }

  retain(name: string, options: Parameters<ObjectStore['retain']>[1]): Promise<void> {
    return this.inner.retain(name, options)
  }

  barrier(options: { signal: AbortSignal }): Promise<void> {
    return this.inner.barrier(options)
  }

  now(options: { signal: AbortSignal }): Promise<number> {
    options.signal.throwIfAborted()
    return Promise.resolve(this.clock.nowMs)
  }
}
