// Seals and opens the sections of one object: AES-256-GCM, or SHA-256 where the repository is not encrypted.
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'

import type { OpenedHead } from '../keys/ring.ts'

export const FRAME_HEAD_BYTES = 8
export const DIRECTORY_NUMBER = 0xffff_ffff

/** Bytes of a seal: a GCM tag, or a SHA-256. */
export function sealBytes(key: Buffer | undefined): number {
  return key ? 16 : 32
}

export class Sealer {
  private readonly key: Buffer | undefined
  /** head · number · body length · object name: everything that a section must not be separated from. */
  private readonly associated: Buffer
  private readonly nonce = Buffer.alloc(12)
  readonly sealBytes: number

  constructor(opened: OpenedHead, name: string) {
    this.key = opened.key
    this.associated = Buffer.concat([opened.bytes, Buffer.alloc(FRAME_HEAD_BYTES), Buffer.from(name, 'utf8')])
    this.sealBytes = sealBytes(opened.key)
  }

  private bind(number: number, bodyBytes: number): void {
    this.associated.writeUInt32LE(number, 112)
    this.associated.writeUInt32LE(bodyBytes, 116)
    this.nonce.writeUInt32LE(number, 8)
  }

  /** The whole frame, in pieces to be written one after another. */
  seal(number: number, body: readonly [Buffer, Buffer]): Buffer[] {
    const bodyBytes = body[0].length + body[1].length
    this.bind(number, bodyBytes)
    const frameHead = Buffer.allocUnsafe(FRAME_HEAD_BYTES)
    this.associated.copy(frameHead, 0, 112, 120)
    if (!this.key) {
      const hash = createHash('sha256').update(this.associated).update(body[0]).update(body[1])
      return [frameHead, body[0], body[1], hash.digest()]
    }
    const cipher = createCipheriv('aes-256-gcm', this.key, this.nonce)
    cipher.setAAD(this.associated)
    const pieces = [frameHead, cipher.update(body[0]), cipher.update(body[1])]
    cipher.final()
    pieces.push(cipher.getAuthTag())
    return pieces
  }

  /** The body of a whole frame, or undefined where it is not what was sealed at this place. Without sealing a view into `frame`. */
  open(frame: Buffer, number: number): Buffer | undefined {
    const end = frame.length - this.sealBytes
    if (end < FRAME_HEAD_BYTES || frame.readUInt32LE(0) !== number || frame.readUInt32LE(4) !== end - FRAME_HEAD_BYTES)
      return undefined
    this.bind(number, end - FRAME_HEAD_BYTES)
    const body = frame.subarray(FRAME_HEAD_BYTES, end)
    const seal = frame.subarray(end)
    if (!this.key) {
      return createHash('sha256').update(this.associated).update(body).digest().equals(seal) ? body : undefined
    }
    const decipher = createDecipheriv('aes-256-gcm', this.key, this.nonce, { authTagLength: 16 })
    decipher.setAAD(this.associated)
    decipher.setAuthTag(seal)
    const plain = decipher.update(body)
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return plain
  }
}
