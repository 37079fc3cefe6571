// `wharf repository key …`: the ways to open a repository.
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'

import { z } from 'zod'

import { formatTime } from '../../base/clock.ts'
import { codeOf } from '../../base/errors.ts'
import { defineOperation, demandConfirmation, type OperationContext } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { declaredRepository, type DeclaredRepository } from '../config.ts'
import { keyErrors as errors } from '../key-errors.ts'
import { addSlot, listSlots, removeSlot, rotateKeys } from '../keys/manage.ts'
import type { Opener } from '../keys/slots.ts'
import type { StoreAt } from '../keys/store.ts'
import { writeKeyFile } from '../keys/wrap.ts'
import { storeFailure } from '../store/failures.ts'
import { openStore } from '../stores.ts'

const PROGRAM_TIMEOUT_MS = 30_000
const name = z.string().optional().describe('Repository; may be left out where only one is declared.')
const keyErrors = ['repository.unknown', 'repository.wrong-key', 'repository.not-encrypted', 'repository.key-program']

interface Opened {
  readonly declared: DeclaredRepository
  readonly at: StoreAt
  readonly unlock: Opener
}

async function open(wanted: string | undefined, context: OperationContext, signal: AbortSignal): Promise<Opened> {
  const declared = declaredRepository(context, wanted)
  const { unlock, location } = declared
  if (unlock.by === 'none') throw errors.notEncrypted({ location })
  return { declared, unlock, at: { store: await openStore(declared.descriptor, signal), signal } }
}

export const keyList = defineOperation({
  name: 'repository key list',
  summary: 'the keys of a repository, without their secrets',
  input: z.strictObject({ name }),
  positional: ['name'],
  output: z.strictObject({
    name: z.string(),
    slots: z.array(
      z.strictObject({
        slot: z.string(),
        by: z.enum(['passphrase', 'key-file', 'wrapper']),
        addedAt: z.string(),
        isOurs: z.boolean().describe('what wharf.yaml says opens it'),
      }),
    ),
    dataKeys: z.array(z.strictObject({ number: z.number(), addedAt: z.string() })),
  }),
  role: 'operator',
  danger: 'none',
  errors: keyErrors,
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { declared, at, unlock } = await open(input.name, context, signal)
    const { slots, dataKeys } = await listSlots(at, unlock)
    return {
      name: declared.name,
      slots: slots.map(({ addedMs, ...one }) => ({ ...one, addedAt: formatTime(addedMs) })),
      dataKeys: dataKeys.map(({ number, addedMs }) => ({ number, addedAt: formatTime(addedMs) })),
    }
  },
  text: ({ slots, dataKeys }) =>
    [
      formatTable(
        ['slot', 'opened by', 'added', ''],
        slots.map((one) => [one.slot, one.by, one.addedAt, one.isOurs ? 'the one of wharf.yaml' : '']),
      ),
      `data keys: ${dataKeys.map((one) => `${one.number} (${one.addedAt})`).join(', ')}`,
    ].join('\n'),
})

const addInput = z.strictObject({
  name,
  keyFile: z.string().optional().describe('key file; it is made where it does not exist'),
  passphraseFile: z.string().optional().describe('file whose content is the passphrase'),
  command: z.string().optional().describe('program that prints the key as a key file holds it'),
  wrapper: z.string().optional().describe('program that wraps and unwraps keys'),
})

export const keyAdd = defineOperation({
  name: 'repository key add',
  summary: 'give a repository another key that opens it',
  description:
    'No data is rewritten. Keys are never given on the command line: only files and programs that hold them. To change a passphrase add the new one, put it into wharf.yaml, and remove the old slot.\n\nwharf repository key add main --key-file /media/usb/main.key',
  input: addInput,
  positional: ['name'],
  output: z.strictObject({
    name: z.string(),
    slot: z.string(),
    by: z.enum(['passphrase', 'key-file', 'wrapper']),
    keyFileMade: z.boolean(),
  }),
  role: 'admin',
  danger: 'writes',
  errors: [...keyErrors, 'repository.one-new-key'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { declared, at, unlock } = await open(input.name, context, signal)
    const added = await openerOf(input)
    const keyFileMade = added.by === 'key-file' && (await makeMissing(added.path))
    const { slot, by } = await addSlot(at, unlock, added)
    return { name: declared.name, slot, by, keyFileMade }
  },
  text: (done) =>
    [
      `repository "${done.name}" opens with slot ${done.slot} (${done.by}) as well`,
      ...(done.keyFileMade ? ['a new key was written; keep a copy of it elsewhere'] : []),
    ].join('\n'),
})

async function openerOf(input: z.output<typeof addInput>): Promise<Opener> {
  const { keyFile, passphraseFile, command, wrapper } = input
  const given = [keyFile, passphraseFile, command, wrapper].filter((one) => one !== undefined)
  if (given.length !== 1) throw errors.oneNewKey({})
  if (keyFile !== undefined) return { by: 'key-file', path: resolve(keyFile) }
  if (command !== undefined) return { by: 'command', program: { argv: [command], timeoutMs: PROGRAM_TIMEOUT_MS } }
  if (wrapper !== undefined) return { by: 'wrapper', program: { argv: [wrapper], timeoutMs: PROGRAM_TIMEOUT_MS } }
  const path = resolve(passphraseFile!)
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw storeFailure(`file:${path}`, 'read the passphrase', error)
  })
  // One line feed at the end belongs to the file, as for ${file:…} in wharf.yaml.
  return { by: 'passphrase', passphrase: text.replace(/\r?\n$/, '') }
}

async function makeMissing(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw storeFailure(`file:${path}`, 'read the key file', error)
  }
  await writeKeyFile(path).catch((error: unknown) => {
    throw storeFailure(`file:${path}`, 'write the key file', error)
  })
  return true
}

export const keyRemove = defineOperation({
  name: 'repository key remove',
  summary: 'remove a key slot: what opened it opens the repository no more',
  description:
    'The last slot cannot be removed. Whoever kept a copy of the repository from before opens that copy still: against a key that others have, copy into a new repository.',
  input: z.strictObject({ slot: z.string().describe('as wharf repository key list shows it'), name }),
  positional: ['slot', 'name'],
  output: z.strictObject({ name: z.string(), slot: z.string() }),
  role: 'admin',
  danger: 'destroys',
  errors: [...keyErrors, 'repository.unknown-slot', 'repository.last-slot'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { declared, at, unlock } = await open(input.name, context, signal)
    const { slots } = await listSlots(at, unlock)
    const own = slots.filter((one) => one.isOurs)
    const isOnlyOwn = own.length === 1 && own[0]!.slot === input.slot
    const warning = isOnlyOwn ? ' It is the one that wharf.yaml opens it with: wharf will not open it any more.' : ''
    await demandConfirmation(context, `remove key slot ${input.slot} of repository "${declared.name}"?${warning}`)
    await removeSlot(at, input.slot)
    return { name: declared.name, slot: input.slot }
  },
  text: (done) => `slot ${done.slot} of repository "${done.name}" is removed`,
})

export const keyRotate = defineOperation({
  name: 'repository key rotate',
  summary: 'begin a new data key and wrap the slot anew; nothing stored is rewritten',
  description:
    'What is stored from now on is sealed with the new data key; what is there stays readable. Programs that run take the new key when they next open the repository.',
  input: z.strictObject({ name }),
  positional: ['name'],
  output: z.strictObject({ name: z.string(), dataKey: z.number(), slot: z.string() }),
  role: 'admin',
  danger: 'writes',
  errors: keyErrors,
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { declared, at, unlock } = await open(input.name, context, signal)
    return { name: declared.name, ...(await rotateKeys(at, unlock)) }
  },
  text: (done) => `repository "${done.name}" seals with data key ${done.dataKey} from now on; its slot is ${done.slot}`,
})
