// A store that fails on purpose: errors, delays, short reads, torn and lost writes, chosen call by call.
import { setTimeout as delay } from 'node:timers/promises'

import type {
  ObjectInfo,
  ObjectStore,
  ObjectVersion,
  ObjectWriter,
  PutOptions,
  StoreAbilities,
  StoreDescriptor,
} from '../../src/repository/contract.ts'

export type StoreCall =
  | 'put'
  | 'create'
  | 'write'
  | 'finish'
  | 'get'
  | 'stat'
  | 'list'
  | 'versions'
  | 'remove'
  | 'retain'
  | 'barrier'
  | 'now'

export type Fault =
  | { readonly kind: 'error'; readonly error: Error }
  | { readonly kind: 'delay'; readonly ms: number }
  /** get: gives only so many bytes. put, finish: the object holds only so many bytes, and the call resolves all the same. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** put, finish: the call resolves and nothing is stored. */
  | { readonly kind: 'lost' }
  /** get: one byte differs. */
  | { readonly kind: 'flip'; readonly at: number }

/** Asked before each call; `count` counts the calls of that kind from 0. */
export type FaultPlan = (call: StoreCall, name: string, count: number) => Fault | undefined

export class FaultyStore implements ObjectStore {
  readonly location: string
  readonly descriptor: StoreDescriptor
  readonly abilities: StoreAbilities
  readonly retention: ObjectStore['retention']
  private readonly inner: ObjectStore
  private readonly plan: FaultPlan
  private readonly counts = new Map<StoreCall, number>()

  constructor(inner: ObjectStore, plan: FaultPlan) {
    this.inner = inner
    this.plan = plan
    this.location = inner.location
    this.abilities = inner.abilities
    this.retention = inner.retention
    this.descriptor = inner.descriptor
  }

  private async fault(call: StoreCall, name: string): Promise<Fault | undefined> {
    const count = this.counts.get(call) ?? 0
    this.counts.set(call, count + 1)
    const fault = this.plan(call, name, count)
    if (fault?.kind === 'error') throw fault.error
    if (fault?.kind === 'delay') await delay(fault.ms)
    return fault
  }

  async put(name: string, chunks: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const fault = await this.fault('put', name)
    if (fault?.kind === 'lost') return
    const kept = fault?.kind === 'short' ? [Buffer.concat(chunks).subarray(0, fault.bytes)] : chunks
    await this.inner.put(name, kept, options)
  }

  async create(name: string, options: Omit<PutOptions, 'durable'>): Promise<ObjectWriter> {
    options.signal.throwIfAborted()
    await this.fault('create', name)
    const chunks: Uint8Array[] = []
    return {
      write: async (chunk) => {
        await this.fault('write', name)
        chunks.push(Buffer.from(chunk))
      },
      finish: async () => {
        const fault = await this.fault('finish', name)
        if (fault?.kind === 'lost') return
        const kept = fault?.kind === 'short' ? [Buffer.concat(chunks).subarray(0, fault.bytes)] : chunks
        await this.inner.put(name, kept, options)
      },
      abandon: async () => {
        chunks.length = 0
      },
    }
  }

  async get(
    name: string,
    options: { signal: AbortSignal; offset?: number; length?: number; version?: string | undefined },
  ): Promise<Buffer> {
    const fault = await this.fault('get', name)
    const bytes = await this.inner.get(name, options)
    if (fault?.kind === 'short') return bytes.subarray(0, fault.bytes)
    if (fault?.kind === 'flip' && bytes.length > 0) bytes[fault.at % bytes.length]! ^= 1
    return bytes
  }

  async stat(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined },
  ): Promise<ObjectInfo | undefined> {
    await this.fault('stat', name)
    return this.inner.stat(name, options)
  }

  async *list(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectInfo> {
    await this.fault('list', prefix)
    yield* this.inner.list(prefix, options)
  }

  async *versions(prefix: string, options: { signal: AbortSignal }): AsyncGenerator<ObjectVersion> {
    await this.fault('versions', prefix)
    yield* this.inner.versions(prefix, options)
  }

  async retain(
    name: string,
    options: { signal: AbortSignal; version?: string | undefined; untilMs: number },
  ): Promise<void> {
    await this.fault('retain', name)
    await this.inner.retain(name, options)
  }

  async remove(name: string, options: { signal: AbortSignal; version?: string | undefined }): Promise<void> {
    await this.fault('remove', name)
    await this.inner.remove(name, options)
  }

  async barrier(options: { signal: AbortSignal }): Promise<void> {
    await this.fault('barrier', '')
    await this.inner.barrier(options)
  }

  async now(options: { signal: AbortSignal }): Promise<number> {
    await this.fault('now', '')
    return this.inner.now(options)
  }
}
