// Prune keys (doc/design/repository-format.md section 12): Ed25519 keys that sign tombstones. The seed lies in the repository, wrapped by a secret
// of its own, so that who only takes backups cannot sign.
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'

import { z } from 'zod'

import { systemRandom } from '../../base/random.ts'
import { keyErrors as errors } from '../key-errors.ts'
import { damaged } from '../object/decode.ts'
import type { Unlock } from '../unlock.ts'
import { decodePlain, encodePlain } from './plain.ts'
import { readFormat, type StoreAt } from './store.ts'
import {
  hexSchema,
  keyFromFileSecret,
  keyFromPassphrase,
  readKeyFile,
  SCRYPT_COST,
  scryptSchema,
  unwrapKey,
  wrapKey,
  wrappedSchema,
} from './wrap.ts'

export const PRUNE_PREFIX = 'keys/prune-'
/** What precedes the 32 bytes of an Ed25519 seed in PKCS #8, and of a public key in SPKI (RFC 8410). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

const base = { slot: hexSchema(16), public: hexSchema(32), wrapped: wrappedSchema }
const slotSchema = z.discriminatedUnion('by', [
  z.strictObject({ ...base, by: z.literal('passphrase'), scrypt: scryptSchema }),
  z.strictObject({ ...base, by: z.literal('key-file'), salt: hexSchema(32) }),
])
export type PruneSlot = z.infer<typeof slotSchema>
export type PruneUnlock = Extract<Unlock, { by: 'passphrase' | 'key-file' }>

/** Secret: never log it. */
export interface PruneKey {
  /** 64 hex digits. */
  readonly publicKey: string
  sign(message: Buffer): string
}

export async function readPruneSlot(name: string, { store, signal }: StoreAt): Promise<PruneSlot> {
  const slot = decodePlain(await store.get(name, { signal }), { kind: 'prune-key', name, schema: slotSchema })
  if (name !== `${PRUNE_PREFIX}${slot.slot}`) throw damaged(name, `it is slot ${slot.slot} under another name`)
  return slot
}

async function listSlots(at: StoreAt): Promise<PruneSlot[]> {
  const slots: PruneSlot[] = []
  for await (const { name } of at.store.list(PRUNE_PREFIX, at)) slots.push(await readPruneSlot(name, at))
  return slots
}

/** Public parts of all prune keys, as hex. */
export async function prunePublicKeys(at: StoreAt): Promise<ReadonlySet<string>> {
  return new Set((await listSlots(at)).map((slot) => slot.public))
}

const associated = (name: string, repository: string, facts: object) =>
  `${name}\n${repository}\n${JSON.stringify(facts)}`

function keyOf(seed: Buffer): PruneKey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: 'der', type: 'pkcs8' })
  return {
    publicKey: publicHex(createPublicKey(privateKey)),
    sign: (message) => sign(null, message, privateKey).toString('hex'),
  }
}

function publicHex(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length).toString('hex')
}

export function signatureHolds(publicKey: string, message: Buffer, signature: string): boolean {
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, Buffer.from(publicKey, 'hex')]),
    format: 'der',
    type: 'spki',
  })
  return verify(null, message, key, Buffer.from(signature, 'hex'))
}

/** Makes a prune key with a slot for the secret. Durable when it resolves. */
export async function createPruneKey(at: StoreAt, unlock: PruneUnlock): Promise<PruneKey> {
  const { repository } = await readFormat(at)
  const seed = systemRandom.bytes(32)
  const key = keyOf(seed)
  const slot = systemRandom.bytes(16).toString('hex')
  const name = `${PRUNE_PREFIX}${slot}`
  const salt = systemRandom.bytes(32).toString('hex')
  const common = { slot, public: key.publicKey }
  const facts =
    unlock.by === 'passphrase'
      ? { ...common, by: unlock.by, scrypt: { n: unlock.scryptCost ?? SCRYPT_COST, r: 8, p: 1, salt } }
      : { ...common, by: unlock.by, salt }
  const wrapping =
    unlock.by === 'passphrase'
      ? await keyFromPassphrase(unlock.passphrase, (facts as { scrypt: z.infer<typeof scryptSchema> }).scrypt)
      : keyFromFileSecret(await readKeyFile(unlock.path), salt)
  const wrapped = wrapKey(wrapping, seed, associated(name, repository, facts))
  await at.store.put(name, [encodePlain('prune-key', { ...facts, wrapped })], { signal: at.signal, durable: true })
  return key
}

/** Rejects with `repository.no-prune-key` where there is none for such a secret, `.wrong-prune-key` where none opens. */
export async function openPruneKey(at: StoreAt, unlock: PruneUnlock): Promise<PruneKey> {
  const { repository } = await readFormat(at)
  const { location } = at.store
  const secret = unlock.by === 'key-file' ? await readKeyFile(unlock.path) : undefined
  const slots = (await listSlots(at)).filter((slot) => slot.by === unlock.by)
  if (slots.length === 0) throw errors.noPruneKey({ location, by: unlock.by })
  for (const { wrapped, ...facts } of slots) {
    const wrapping =
      facts.by === 'passphrase'
        ? await keyFromPassphrase((unlock as { passphrase: string }).passphrase, facts.scrypt)
        : keyFromFileSecret(secret!, facts.salt)
    const name = `${PRUNE_PREFIX}${facts.slot}`
    const seed = unwrapKey(wrapping, wrapped, associated(name, repository, facts))
    if (!seed) continue
    const key = keyOf(seed)
    if (key.publicKey !== facts.public) throw damaged(name, 'its public part is not that of its private part')
    return key
  }
  throw errors.wrongPruneKey({ location, by: unlock.by })
}
