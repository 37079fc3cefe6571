// Key slots: the repository key wrapped in as many ways as there are to open the repository (doc/design/repository-format.md section 2).
import { z } from 'zod'

import { systemRandom } from '../../base/random.ts'
import { keyErrors as errors } from '../key-errors.ts'
import type { Unlock } from '../unlock.ts'
import { runKeyProgram } from './program.ts'
import {
  hexSchema,
  keyFromFileSecret,
  keyFromPassphrase,
  parseKeyLine,
  readKeyFile,
  SCRYPT_COST,
  scryptSchema,
  unwrapKey,
  wrapKey,
  wrappedSchema,
} from './wrap.ts'

export const SLOT_PREFIX = 'keys/repository-'
const slot = hexSchema(16)
/** What a wrapper gave for a key, in base64. */
const token = z.base64().max(96 * 1024)

export const slotSchema = z.discriminatedUnion('by', [
  z.strictObject({ slot, by: z.literal('passphrase'), scrypt: scryptSchema, wrapped: wrappedSchema }),
  z.strictObject({ slot, by: z.literal('key-file'), salt: hexSchema(32), wrapped: wrappedSchema }),
  z.strictObject({ slot, by: z.literal('wrapper'), token, wrapped: wrappedSchema }),
])
export type KeySlot = z.infer<typeof slotSchema>
export type Opener = Exclude<Unlock, { by: 'none' }>

/** What a wrapped key is tied to: its object, its repository, and the rest of the object. */
export function associated(name: string, repository: string, facts: object): string {
  return `${name}\n${repository}\n${JSON.stringify(facts)}`
}

/** Kind of slot that this opens: a command prints what a key file holds. */
export function slotKindOf(unlock: Opener): KeySlot['by'] {
  return unlock.by === 'command' ? 'key-file' : unlock.by
}

export async function makeSlot(
  repositoryId: string,
  repositoryKey: Buffer,
  of: { unlock: Opener; signal: AbortSignal },
): Promise<KeySlot> {
  const { unlock, signal } = of
  const id = systemRandom.bytes(16).toString('hex')
  const salt = systemRandom.bytes(32).toString('hex')
  const wrap = (wrapping: Buffer, facts: object) =>
    wrapKey(wrapping, repositoryKey, associated(`${SLOT_PREFIX}${id}`, repositoryId, facts))
  if (unlock.by === 'passphrase') {
    const scrypt = { n: unlock.scryptCost ?? SCRYPT_COST, r: 8, p: 1, salt }
    const facts = { slot: id, by: 'passphrase' as const, scrypt }
    return { ...facts, wrapped: wrap(await keyFromPassphrase(unlock.passphrase, scrypt), facts) }
  }
  if (unlock.by === 'wrapper') {
    const wrapping = systemRandom.bytes(32)
    const given = await runKeyProgram(unlock.program, { more: ['wrap'], input: wrapping, signal })
    const facts = { slot: id, by: 'wrapper' as const, token: given.toString('base64') }
    return { ...facts, wrapped: wrap(wrapping, facts) }
  }
  const facts = { slot: id, by: 'key-file' as const, salt }
  return { ...facts, wrapped: wrap(keyFromFileSecret(await secretOf(unlock, signal), salt), facts) }
}

/** The 32 secret bytes of a key file, or those that a command prints. */
async function secretOf(unlock: Opener & { by: 'key-file' | 'command' }, signal: AbortSignal): Promise<Buffer> {
  if (unlock.by === 'key-file') return await readKeyFile(unlock.path)
  const secret = parseKeyLine((await runKeyProgram(unlock.program, { signal })).toString('latin1'))
  if (secret) return secret
  const reason = 'it did not print a key: one line, wharfinger-key-1 and 64 hexadecimal digits'
  throw errors.keyProgram({ program: unlock.program.argv[0]!, reason })
}

/** Tries slots one after another; what is asked of a file or a program is asked once. */
export function slotOpener(
  repositoryId: string,
  unlock: Opener,
  signal: AbortSignal,
): (slot: KeySlot) => Promise<Buffer | undefined> {
  let secret: Promise<Buffer> | undefined
  return async (one) => {
    if (one.by !== slotKindOf(unlock)) return undefined
    const { wrapped, ...facts } = one
    const name = `${SLOT_PREFIX}${one.slot}`
    const open = (wrapping: Buffer) => unwrapKey(wrapping, wrapped, associated(name, repositoryId, facts))
    if (facts.by === 'passphrase')
      return open(await keyFromPassphrase((unlock as { passphrase: string }).passphrase, facts.scrypt))
    if (facts.by === 'key-file') {
      secret ??= secretOf(unlock as Opener & { by: 'key-file' | 'command' }, signal)
      return open(keyFromFileSecret(await secret, facts.salt))
    }
    const { program } = unlock as Opener & { by: 'wrapper' }
    const input = Buffer.from(facts.token, 'base64')
    const wrapping = await runKeyProgram(program, { more: ['unwrap'], input, signal })
    return wrapping.length === 32 ? open(wrapping) : undefined
  }
}
