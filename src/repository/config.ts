// The section `repositories` of wharf.yaml.
import { dirname, resolve } from 'node:path'

import { z } from 'zod'

import { declaredName, secret } from '../base/config-types.ts'
import type { ConfigSection, Context } from '../base/room.ts'
import { suggestion } from '../base/nearest.ts'
import { errors } from './errors.ts'
import type { Unlock } from './unlock.ts'

const key = z
  .strictObject({
    passphrase: secret().optional().describe('As ${env:NAME} or ${file:PATH}.'),
    key_file: z.string().min(1).optional().describe('File with the key; wharf repository init makes it.'),
  })
  .refine((value) => (value.passphrase === undefined) !== (value.key_file === undefined), {
    message: 'give either passphrase or key_file',
  })

const entry = z.strictObject({
  path: z.string().min(1).describe('Folder of its own; relative to the folder of wharf.yaml.'),
  encryption: z
    .union([z.literal('none'), key])
    .describe('passphrase, key_file, or none: then whoever reads the folder reads the data.'),
})

const schema = z.record(declaredName(), entry).prefault({})
export type RepositoryEntry = z.output<typeof entry>

export const repositoriesSection: ConfigSection<Record<string, RepositoryEntry>> = { key: 'repositories', schema }

export interface DeclaredRepository {
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly location: string
  readonly encrypted: boolean
  readonly unlock: Unlock
}

/** What wharf.yaml declares, with paths made absolute. */
export function declaredRepositories(context: Context): readonly DeclaredRepository[] {
  const base = dirname(context.configFile)
  return Object.entries(context.section(repositoriesSection)).map(([name, one]) => {
    const path = resolve(base, one.path)
    const unlock = unlockOf(one, base)
    return { name, path, location: `file:${path}`, encrypted: unlock.by !== 'none', unlock }
  })
}

function unlockOf({ encryption }: RepositoryEntry, base: string): Unlock {
  if (encryption === 'none') return { by: 'none' }
  if (encryption.passphrase) return { by: 'passphrase', passphrase: encryption.passphrase.reveal() }
  return { by: 'key-file', path: resolve(base, encryption.key_file!) }
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
