import { mkdir, stat } from 'node:fs/promises'
import { dirname, relative } from 'node:path'

import { z } from 'zod'

import { syncFolder } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import { defineOperation, operationErrors } from '../../base/operation.ts'
import { declaredRepository, type DeclaredRepository } from '../config.ts'
import { keyErrors as errors } from '../key-errors.ts'
import { writeKeyFile } from '../keys/wrap.ts'
import { initRepository, requireEmpty } from '../open.ts'
import { addPruneKey } from './prune-key.ts'
import { storeFailure } from '../store/failures.ts'
import { openStore } from '../stores.ts'

const output = z.object({
  name: z.string(),
  location: z.string(),
  id: z.string(),
  encrypted: z.boolean(),
  keyFile: z.string().optional().describe('Path of the key file.'),
  keyFileMade: z.boolean(),
  pruneKey: z.string().optional().describe('Public part of the prune key, where wharf.yaml names one.'),
})

export const init = defineOperation({
  name: 'repository init',
  summary: 'create a declared repository',
  description:
    'Makes the folder (mode 0700), the keys and the format object; a bucket must exist already, and is looked at first: it must refuse to overwrite, and must lock nothing by default. Where key_file names a file that does not exist, a new key is written to it (mode 0600): keep a copy elsewhere, since without it nothing in the repository can be read.',
  input: z.object({
    name: z.string().optional().describe('Repository in wharf.yaml; may be left out where only one is declared.'),
  }),
  positional: ['name'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: [
    'repository.unknown',
    'repository.already-initialised',
    'repository.not-empty',
    'repository.denied',
    'repository.not-a-folder',
    'repository.read-only',
    'repository.no-bucket',
    'repository.bad-credentials',
    'repository.wrong-region',
    'repository.overwrites',
    'repository.default-retention',
    'repository.no-object-lock',
  ],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const declared = declaredRepository(context, input.name)
    const question = `create a repository at ${declared.location}?`
    if (!(await context.confirm(question, { whereNobodyCanBeAsked: true })))
      throw operationErrors.notConfirmed(question)
    if (declared.descriptor.kind === 'file') await makeFolder(declared, declared.descriptor.path)
    const store = await openStore(declared.descriptor, signal)
    // Before a key is made: a new key beside an old repository would only mislead.
    await requireEmpty({ store, signal })
    await store.requireFit?.({ signal })
    const keyFile = declared.unlock.by === 'key-file' ? declared.unlock.path : undefined
    const keyFileMade = keyFile !== undefined && (await makeKeyFile(keyFile))
    const { id } = await initRepository({ store, unlock: declared.unlock, signal })
    const { name, location, encrypted } = declared
    const prune =
      declared.prune && (await addPruneKey({ store, signal, descriptor: declared.descriptor }, declared.prune))
    return { name, location, id, encrypted, keyFile, keyFileMade, pruneKey: prune?.public }
  },
  text: (done) => {
    const lines = [`repository "${done.name}" created at ${done.location} (id ${done.id})`]
    if (done.keyFileMade) {
      lines.push(
        `a new key was written to ${done.keyFile}`,
        'keep a copy of it elsewhere: without it nothing in the repository can be read',
      )
    } else if (done.encrypted)
      lines.push('encrypted; keep its key elsewhere too: without it nothing in the repository can be read')
    else lines.push('not encrypted: whoever can read the folder can read the data')
    if (done.pruneKey !== undefined) lines.push(`a prune key was made (public part ${done.pruneKey})`)
    return lines.join('\n')
  },
})

async function makeFolder({ unlock, location }: DeclaredRepository, path: string): Promise<void> {
  if (unlock.by === 'key-file' && !relative(path, unlock.path).startsWith('..'))
    throw errors.keyFileInside({ path: unlock.path, location })
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await syncFolder(dirname(path))
  } catch (error) {
    // mkdir says EEXIST where a file is in the way.
    if (codeOf(error) === 'EEXIST')
      throw storeFailure(
        location,
        'create the folder',
        Object.assign(new Error('a file is in the way'), { code: 'ENOTDIR' }),
      )
    throw storeFailure(location, 'create the folder', error)
  }
}

/** True where a new key was made. A key file that is there is used as it is. */
async function makeKeyFile(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw storeFailure(`file:${path}`, 'read the key file', error)
  }
  await writeKeyFile(path).catch((error: unknown) =>
    Promise.reject(storeFailure(`file:${path}`, 'write the key file', error)),
  )
  return true
}
