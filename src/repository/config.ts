// The section `repositories` of wharf.yaml.
import { dirname, resolve } from 'node:path'

import { z } from 'zod'

import { cron, declaredName, duration, secret, timezone } from '../base/config-types.ts'
import type { ConfigSection, Context } from '../base/room.ts'
import { suggestion } from '../base/nearest.ts'
import { bucketOptions, bucketSchema, lockSchema } from './bucket-config.ts'
import type { StoreDescriptor } from './contract.ts'
import { errors } from './errors.ts'
import { locationOf } from './store/s3/options.ts'
import type { PruneUnlock } from './prune.ts'
import type { Unlock } from './unlock.ts'

const program = z.array(z.string().min(1)).min(1)
const keyKinds = ['passphrase', 'key_file', 'command', 'wrapper'] as const

const key = z
  .strictObject({
    passphrase: secret().optional().describe('As ${env:NAME} or ${file:PATH}.'),
    key_file: z.string().min(1).optional().describe('File with the key; wharf repository init makes it.'),
    command: program.optional().describe('Program with arguments that prints the key as a key file holds it.'),
    wrapper: program
      .optional()
      .describe('Program with arguments that wraps and unwraps keys (a KMS): bytes in, bytes out; examples/keys.'),
    timeout: duration().prefault('30s').describe('How long command or wrapper may take.'),
  })
  .refine((value) => keyKinds.filter((kind) => value[kind] !== undefined).length === 1, {
    message: 'give exactly one of passphrase, key_file, command and wrapper',
  })

const pruneSecret = z
  .strictObject({
    passphrase: secret().optional().describe('As ${env:NAME} or ${file:PATH}.'),
    key_file: z.string().min(1).optional().describe('File with the secret; wharf repository prune-key makes it.'),
  })
  .refine((value) => (value.passphrase === undefined) !== (value.key_file === undefined), {
    message: 'give either passphrase or key_file',
  })

const entry = z
  .strictObject({
    path: z.string().min(1).optional().describe('Folder of its own; relative to the folder of wharf.yaml.'),
    s3: bucketSchema.optional().describe('A bucket of an S3-compatible server, instead of a folder.'),
    lock: lockSchema
      .optional()
      .describe('Object lock of the bucket: what is stored cannot be removed before its time, by nobody.'),
    check: z
      .strictObject({
        cron: cron(),
        timezone: timezone(),
        share: z
          .string()
          .regex(/^\d+(\.\d+)?(\/[1-9]\d*|%)?$/, 'for example 1/30, 0.05 or 5%')
          .prefault('1/30')
          .describe('Of all bytes, what each check reads in full.'),
      })
      .optional()
      .describe('When wharf up checks a share of it; findings are alerted.'),
    encryption: z
      .union([z.literal('none'), key])
      .describe('passphrase, key_file, command, wrapper, or none: then whoever reads the folder reads the data.'),
    prune: pruneSecret
      .optional()
      .describe('Opens the key that signs what may be deleted. Only the host that expires backups needs it.'),
  })
  .refine((one) => (one.path === undefined) !== (one.s3 === undefined), { message: 'give either path or s3' })
  .refine((one) => one.lock === undefined || one.s3 !== undefined, {
    message: 'lock needs s3: a folder has no object lock',
  })

const schema = z.record(declaredName(), entry).prefault({})
export type RepositoryEntry = z.output<typeof entry>

export const repositoriesSection: ConfigSection<Record<string, RepositoryEntry>> = { key: 'repositories', schema }

export interface DeclaredRepository {
  readonly name: string
  /** What openStore() takes; may hold secrets. */
  readonly descriptor: StoreDescriptor
  readonly location: string
  readonly encrypted: boolean
  readonly unlock: Unlock
  /** Undefined on hosts that may not delete. */
  readonly prune: PruneUnlock | undefined
}

/** What wharf.yaml declares, with paths made absolute. */
export function declaredRepositories(context: Context): readonly DeclaredRepository[] {
  const base = dirname(context.configFile)
  return Object.entries(context.section(repositoriesSection)).map(([name, one]) => {
    const unlock = unlockOf(one, base)
    const prune = one.prune && secretOf(one.prune, base)
    return { name, ...placeOf(one, base), encrypted: unlock.by !== 'none', unlock, prune }
  })
}

function placeOf(one: RepositoryEntry, base: string): Pick<DeclaredRepository, 'descriptor' | 'location'> {
  if (one.s3) {
    const options = bucketOptions(one.s3, one.lock)
    return { descriptor: { kind: 's3', options }, location: locationOf(options) }
  }
  const path = resolve(base, one.path!)
  return { descriptor: { kind: 'file', path }, location: `file:${path}` }
}

function unlockOf({ encryption }: RepositoryEntry, base: string): Unlock {
  if (encryption === 'none') return { by: 'none' }
  if (encryption.passphrase) return { by: 'passphrase', passphrase: encryption.passphrase.reveal() }
  const { command, wrapper, timeout: timeoutMs } = encryption
  if (command) return { by: 'command', program: { argv: command, timeoutMs } }
  if (wrapper) return { by: 'wrapper', program: { argv: wrapper, timeoutMs } }
  return { by: 'key-file', path: resolve(base, encryption.key_file!) }
}

function secretOf(one: z.output<typeof pruneSecret>, base: string): PruneUnlock {
  if (one.passphrase) return { by: 'passphrase', passphrase: one.passphrase.reveal() }
  return { by: 'key-file', path: resolve(base, one.key_file!) }
}

/** The one of that name, or the only one where no name is given. */
export function declaredRepository(context: Context, name: string | undefined): DeclaredRepository {
  const all = declaredRepositories(context)
  if (name === undefined && all.length === 1) return all[0]!
  const known = all.map((one) => one.name)
  if (name === undefined) throw all.length === 0 ? errors.noneDeclared({}) : errors.whichRepository({ known })
  const found = all.find((one) => one.name === name)
  if (found) return found
  throw errors.unknown({ name, hint: suggestion(name, known) })
}
