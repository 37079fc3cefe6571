// What a bucket of the test server holds: versions, delete markers, uploads, locks. One process, one thread: every change is atomic.
import { createHash } from 'node:crypto'

import { crc32c } from '@node-rs/crc32'

import { Refusal } from './signature.ts'

export interface Retention {
  readonly mode: string
  readonly untilMs: number
}

export interface Version {
  readonly id: string
  readonly body: Buffer
  readonly etag: string
  readonly modifiedMs: number
  readonly isMarker: boolean
  /** Headers that come back with the object. */
  readonly headers: Readonly<Record<string, string>>
  retention: Retention | undefined
}

export interface Upload {
  readonly id: string
  readonly key: string
  readonly startedMs: number
  readonly headers: Readonly<Record<string, string>>
  readonly retention: Retention | undefined
  readonly parts: Map<number, { body: Buffer; etag: string }>
}

export interface BucketOptions {
  readonly versioning?: boolean
  readonly lock?: boolean
  readonly defaultRetention?: { readonly mode: string; readonly days: number }
}

export class Bucket {
  versioning: boolean
  readonly lock: boolean
  defaultRetention: BucketOptions['defaultRetention']
  readonly objects = new Map<string, Version[]>()
  readonly uploads = new Map<string, Upload>()
  /** Keys whose bytes were replaced, or that got a second version while the first was visible. */
  readonly overwritten: string[] = []
  private keys: string[] | undefined
  private count = 0

  constructor(options: BucketOptions) {
    this.lock = options.lock ?? false
    this.versioning = (options.versioning ?? false) || this.lock
    this.defaultRetention = options.defaultRetention
  }

  sortedKeys(): readonly string[] {
    return (this.keys ??= [...this.objects.keys()].sort())
  }

  nextId(): string {
    return `v${String(++this.count).padStart(9, '0')}`
  }

  /** What a plain read sees; undefined also under a delete marker. */
  current(key: string): Version | undefined {
    const newest = this.objects.get(key)?.at(-1)
    return newest?.isMarker === true ? undefined : newest
  }

  find(key: string, id: string | null): Version | undefined {
    const all = this.objects.get(key) ?? []
    return id === null ? all.at(-1) : all.find((one) => one.id === id)
  }

  /** Adds a version, or replaces the only one where the bucket keeps none. */
  add(key: string, version: Omit<Version, 'id'>): Version {
    const full = { ...version, id: this.versioning ? this.nextId() : 'null' }
    const known = this.objects.get(key)
    if (!known) this.keys = undefined
    if (!full.isMarker && this.current(key)) this.overwritten.push(key)
    this.objects.set(key, this.versioning && known ? [...known, full] : [full])
    return full
  }

  /** Removes one version for good. */
  drop(key: string, version: Version): void {
    const left = (this.objects.get(key) ?? []).filter((one) => one !== version)
    if (left.length > 0) this.objects.set(key, left)
    else {
      this.objects.delete(key)
      this.keys = undefined
    }
  }

  retentionFor(headers: Readonly<Record<string, unknown>>, nowMs: number): Retention | undefined {
    const mode = headers['x-amz-object-lock-mode']
    const until = headers['x-amz-object-lock-retain-until-date']
    if (typeof mode === 'string' && typeof until === 'string') {
      if (!this.lock) throw new Refusal(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration')
      if (Date.parse(until) <= nowMs)
        throw new Refusal(400, 'InvalidArgument', 'the retain until date must be in the future')
      return { mode, untilMs: Date.parse(until) }
    }
    const usual = this.defaultRetention
    return usual && { mode: usual.mode, untilMs: nowMs + usual.days * 86_400_000 }
  }
}

export const etagOf = (body: Buffer): string => `"${createHash('md5').update(body).digest('hex')}"`

export function crcOf(body: Buffer): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32c(body))
  return sum.toString('base64')
}

/** Compares what the client says of the body with the body; says whether it said anything. */
export function verifyChecksums(headers: Readonly<Record<string, unknown>>, body: Buffer): boolean {
  const md5 = headers['content-md5']
  const crc = headers['x-amz-checksum-crc32c']
  if (md5 !== undefined && md5 !== createHash('md5').update(body).digest('base64')) throw new Refusal(400, 'BadDigest')
  if (crc !== undefined && crc !== crcOf(body)) throw new Refusal(400, 'BadDigest')
  return md5 !== undefined || Object.keys(headers).some((name) => name.startsWith('x-amz-checksum-'))
}
