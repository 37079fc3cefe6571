// Data keys in memory: they wrap the random key of each object. Cloneable into worker threads through KeyRingSeed.
import { createCipheriv, createDecipheriv } from 'node:crypto'

import { systemRandom } from '../../base/random.ts'
import { errors } from '../errors.ts'
import { keyErrors } from '../key-errors.ts'
import {
  completeHead,
  decodeHead,
  encodeHeadStart,
  HEAD_WRAPPED_BYTES,
  type Head,
  type ObjectKind,
  type Sealing,
} from '../object/head.ts'

/** Structured-cloneable. Secret: never log it. */
export interface KeyRingSeed {
  /** 32 hex digits. */
  readonly repositoryId: string
  readonly sealing: Sealing
  /** Empty without sealing; the highest number seals. */
  readonly dataKeys: readonly { readonly number: number; readonly key: Uint8Array }[]
}

/** A head with the object key that it wraps (undefined without sealing). */
export interface OpenedHead {
  readonly head: Head
  /** All 112 bytes: part of what every seal authenticates. */
  readonly bytes: Buffer
  readonly key: Buffer | undefined
}

export class KeyRing {
  readonly seed: KeyRingSeed
  private readonly repositoryId: Buffer
  private readonly keys: ReadonlyMap<number, Uint8Array>
  readonly newest: number

  constructor(seed: KeyRingSeed) {
    this.seed = seed
    this.repositoryId = Buffer.from(seed.repositoryId, 'hex')
    this.keys = new Map(seed.dataKeys.map((one) => [one.number, one.key]))
    this.newest = Math.max(0, ...this.keys.keys())
  }

  get sealing(): Sealing {
    return this.seed.sealing
  }

  /** A head for a new object, with a random key of its own. */
  newHead(kind: ObjectKind, objectId: Buffer): OpenedHead {
    const { sealing } = this
    const bytes = encodeHeadStart({ kind, sealing, dataKey: this.newest, repositoryId: this.repositoryId, objectId })
    if (sealing === 'none') return this.opened(completeHead(bytes, Buffer.alloc(60)), undefined)
    const key = systemRandom.bytes(32)
    const nonce = systemRandom.bytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.keys.get(this.newest)!, nonce)
    cipher.setAAD(bytes.subarray(0, HEAD_WRAPPED_BYTES))
    const sealed = Buffer.concat([cipher.update(key), cipher.final()])
    return this.opened(completeHead(bytes, Buffer.concat([nonce, sealed, cipher.getAuthTag()])), key)
  }

  private opened(bytes: Buffer, key: Buffer | undefined): OpenedHead {
    return { head: decodeHead(bytes, 'a new object'), bytes, key }
  }

  /** Reads the head of a stored object: its first 112 bytes. */
  openHead(bytes: Buffer, name: string): OpenedHead {
    const damaged = (reason: string) => errors.damagedObject({ object: name, reason }, { place: { object: name } })
    const own = Buffer.from(bytes.subarray(0, Math.min(bytes.length, 112)))
    const head = decodeHead(own, name)
    if (!head.repositoryId.equals(this.repositoryId))
      throw damaged(`it belongs to repository ${head.repositoryId.toString('hex')}`)
    if (head.sealing !== this.sealing)
      throw damaged(`its sealing is ${head.sealing}, the repository's is ${this.sealing}`)
    if (head.sealing === 'none') return { head, bytes: own, key: undefined }
    const dataKey = this.keys.get(head.dataKey)
    // Made since this program read the keys: nothing is wrong with the object.
    if (!dataKey && head.dataKey > this.newest)
      throw keyErrors.newerDataKey({ object: name, number: head.dataKey, known: this.newest })
    if (!dataKey) throw damaged(`it names data key ${head.dataKey}, which is not there`)
    const decipher = createDecipheriv('aes-256-gcm', dataKey, head.wrapped.subarray(0, 12), { authTagLength: 16 })
    decipher.setAAD(own.subarray(0, HEAD_WRAPPED_BYTES))
    decipher.setAuthTag(head.wrapped.subarray(44, 60))
    try {
      const key = Buffer.concat([decipher.update(head.wrapped.subarray(12, 44)), decipher.final()])
      return { head, bytes: own, key }
    } catch {
      throw damaged('its key does not open')
    }
  }
}
