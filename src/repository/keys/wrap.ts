// Wrapping of keys by keys, and keys from passphrases and key files.
import { createCipheriv, createDecipheriv, hkdfSync, scrypt } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { z } from 'zod'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { MIB } from '../../base/units.ts'
import { keyErrors as errors } from '../key-errors.ts'

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`))
export const wrappedSchema = z.strictObject({ nonce: hex(12), sealed: hex(32), tag: hex(16) })
export type Wrapped = z.infer<typeof wrappedSchema>

export const scryptSchema = z.strictObject({
  n: z
    .number()
    .int()
    .min(2)
    .max(2 ** 20)
    .refine((n) => (n & (n - 1)) === 0, 'not a power of two'),
  r: z.number().int().min(1).max(32),
  p: z.number().int().min(1).max(16),
  salt: hex(32),
})
/** 128 MiB and about 0.3 s on the machine of 2026: as OWASP asks for. */
export const SCRYPT_COST = 2 ** 17
export { hex as hexSchema }

/** `associated` ties the wrapped key to its object. */
export function wrapKey(wrapping: Buffer, key: Buffer, associated: string): Wrapped {
  const nonce = systemRandom.bytes(12)
  const cipher = createCipheriv('aes-256-gcm', wrapping, nonce)
  cipher.setAAD(Buffer.from(associated))
  const sealed = Buffer.concat([cipher.update(key), cipher.final()])
  return { nonce: nonce.toString('hex'), sealed: sealed.toString('hex'), tag: cipher.getAuthTag().toString('hex') }
}

/** Undefined where the wrapping key is another one. */
export function unwrapKey(wrapping: Buffer, wrapped: Wrapped, associated: string): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', wrapping, Buffer.from(wrapped.nonce, 'hex'), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(associated))
  decipher.setAuthTag(Buffer.from(wrapped.tag, 'hex'))
  try {
    return Buffer.concat([decipher.update(Buffer.from(wrapped.sealed, 'hex')), decipher.final()])
  } catch {
    return undefined
  }
}

export function keyFromPassphrase(passphrase: string, parameters: z.infer<typeof scryptSchema>): Promise<Buffer> {
  const { n, r, p, salt } = parameters
  return new Promise((resolve, reject) => {
    scrypt(
      passphrase.normalize('NFC'),
      Buffer.from(salt, 'hex'),
      32,
      { N: n, r, p, maxmem: 128 * n * r + 32 * MIB },
      (error, key) => (error ? reject(error) : resolve(key)),
    )
  })
}

export function keyFromFileSecret(secret: Buffer, salt: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.from(salt, 'hex'), 'wharfinger', 32))
}

const KEY_FILE = /^wharfinger-key-1 ([0-9a-f]{64})\n?$/

/** The 32 secret bytes of a key file. */
export async function readKeyFile(path: string): Promise<Buffer> {
  let text: string
  try {
    text = await readFile(path, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw errors.keyFileMissing({ path }, { cause: error })
    throw errors.keyFileUnreadable({ path, reason: messageOf(error) }, { cause: error })
  }
  const secret = parseKeyLine(text)
  if (!secret) throw errors.keyFileWrong({ path })
  return secret
}

export function parseKeyLine(text: string): Buffer | undefined {
  const match = KEY_FILE.exec(text)
  return match ? Buffer.from(match[1]!, 'hex') : undefined
}

/** Makes a new key file, 0600, durable. The caller made sure that there is none. */
export async function writeKeyFile(path: string): Promise<void> {
  await writeFileDurably(path, `wharfinger-key-1 ${systemRandom.bytes(32).toString('hex')}\n`, 0o600)
}
