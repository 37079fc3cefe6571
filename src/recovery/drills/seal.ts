// The seal of a document: Ed25519 over its exact text, by a key of this home. A document is whole if its bytes are those that sealing gives: a
// space more is an edit.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { syncFolder } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import type { Evidence } from './evidence.ts'

const keyName = 'signing-key.pem'

interface Sealed {
  readonly evidence: Evidence
  readonly seal: {
    /** Ed25519, DER (SubjectPublicKeyInfo), base64. */
    readonly publicKey: string
    readonly signature: string
  }
}

export interface Signer {
  readonly key: KeyObject
  readonly publicKey: string
}

/** For people: enough of the hash of a public key to compare it by eye. */
export function fingerprintOf(publicKey: string): string {
  const hex = createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('hex')
  return hex.slice(0, 32).replaceAll(/(.{4})(?=.)/g, '$1 ')
}

function signerOf(pem: string): Signer {
  const key = createPrivateKey(pem)
  return { key, publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64') }
}

/** The key of this home; undefined where there is none yet. */
export async function readSigner(folder: string): Promise<Signer | undefined> {
  try {
    return signerOf(await readFile(join(folder, keyName), 'utf8'))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Made with the first drill. Two that make it at once agree on one. */
export async function makeSigner(folder: string): Promise<Signer> {
  const known = await readSigner(folder)
  if (known) return known
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  await createDurably(join(folder, keyName), pem, folder)
  return (await readSigner(folder))!
}

/** False where the name is taken: nothing is ever replaced. */
export async function createDurably(path: string, content: string, folder: string): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${systemRandom.bytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await link(temporary, path)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    await rm(temporary, { force: true })
  }
  await syncFolder(folder)
  return true
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function signedText(evidence: Evidence): Buffer {
  return Buffer.from(`wharf drill evidence\n${JSON.stringify(evidence)}`)
}

export function sealed(evidence: Evidence, signer: Signer): string {
  const signature = sign(null, signedText(evidence), signer.key).toString('base64')
  return textOf({ evidence, seal: { publicKey: signer.publicKey, signature } })
}

function textOf(document: Sealed): string {
  return `${JSON.stringify(document, undefined, 1)}\n`
}

export type Opened =
  | { readonly whole: true; readonly evidence: Evidence; readonly publicKey: string }
  | { readonly whole: false; readonly evidence: Evidence | undefined; readonly why: string }

/** Whether a document is what was sealed, byte by byte. By which key is the caller's to judge. */
export function openSealed(text: string): Opened {
  let document: Sealed
  try {
    document = JSON.parse(text) as Sealed
  } catch {
    return { whole: false, evidence: undefined, why: 'it is no JSON' }
  }
  const { evidence, seal } = document ?? {}
  const isDocument =
    typeof evidence === 'object' && typeof seal?.publicKey === 'string' && typeof seal.signature === 'string'
  if (!isDocument) return { whole: false, evidence: undefined, why: 'it is no evidence of a drill' }
  if (textOf({ evidence, seal: { publicKey: seal.publicKey, signature: seal.signature } }) !== text)
    return { whole: false, evidence, why: 'its text is not as it was written' }
  return isSigned(evidence, seal)
    ? { whole: true, evidence, publicKey: seal.publicKey }
    : { whole: false, evidence, why: 'its signature does not hold' }
}

function isSigned(evidence: Evidence, seal: Sealed['seal']): boolean {
  try {
    const [signature, key] = [Buffer.from(seal.signature, 'base64'), Buffer.from(seal.publicKey, 'base64')]
    // Base64 may be written in several ways: only the one that we write counts.
    if (signature.toString('base64') !== seal.signature || key.toString('base64') !== seal.publicKey) return false
    return verify(null, signedText(evidence), createPublicKey({ key, format: 'der', type: 'spki' }), signature)
  } catch {
    return false
  }
}
