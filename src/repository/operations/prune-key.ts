import { stat } from 'node:fs/promises'
import { relative } from 'node:path'

import { z } from 'zod'

import { codeOf, isWharfError } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { declaredRepository } from '../config.ts'
import { repositories, type ObjectStore, type StoreDescriptor } from '../contract.ts'
import { keyErrors as errors } from '../key-errors.ts'
import { createPruneKey, openPruneKey, type PruneUnlock } from '../keys/prune.ts'
import { writeKeyFile } from '../keys/wrap.ts'
import { storeFailure } from '../store/failures.ts'

export const pruneKey = defineOperation({
  name: 'repository prune-key',
  summary: 'make the key that lets a host delete what has expired',
  description:
    'Ed25519: its public part lies in the repository, its private part there as well, wrapped by the passphrase or key file named under prune. Where key_file names a file that does not exist, a new one is written (mode 0600). Keep it off the hosts that only take backups: who has not got it cannot let anything be deleted.',
  input: z.object({ name: z.string().optional().describe('May be left out where only one is declared.') }),
  positional: ['name'],
  output: z.object({ name: z.string(), public: z.string(), keyFile: z.string().optional(), keyFileMade: z.boolean() }),
  role: 'admin',
  danger: 'writes',
  errors: ['repository.no-prune-declared', 'repository.prune-key-there'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { name, prune, descriptor } = declaredRepository(context, input.name)
    if (!prune) throw errors.noPruneDeclared({ name })
    const { store } = await (await context.use(repositories)).open(name, signal)
    return { name, ...(await addPruneKey({ store, signal, descriptor }, prune)) }
  },
  text: (done) =>
    [
      `repository "${done.name}" has a prune key (public part ${done.public})`,
      ...(done.keyFileMade
        ? [`its secret was written to ${done.keyFile}: keep it off the hosts that only take backups`]
        : []),
    ].join('\n'),
})

/** Rejects with `repository.prune-key-there` where the secret opens one already. */
export async function addPruneKey(
  at: { readonly store: ObjectStore; readonly signal: AbortSignal; readonly descriptor: StoreDescriptor },
  prune: PruneUnlock,
): Promise<{ public: string; keyFile: string | undefined; keyFileMade: boolean }> {
  const keyFile = prune.by === 'key-file' ? prune.path : undefined
  const folder = at.descriptor.kind === 'file' ? at.descriptor.path : undefined
  if (keyFile !== undefined && folder !== undefined && !relative(folder, keyFile).startsWith('..'))
    throw errors.keyFileInside({ path: keyFile, location: at.store.location })
  const keyFileMade = keyFile !== undefined && (await makeKeyFile(keyFile))
  if (!keyFileMade && (await opens(at, prune))) throw errors.pruneKeyThere({ location: at.store.location })
  const { publicKey } = await createPruneKey(at, prune)
  return { public: publicKey, keyFile, keyFileMade }
}

async function opens(at: { store: ObjectStore; signal: AbortSignal }, prune: PruneUnlock): Promise<boolean> {
  try {
    await openPruneKey(at, prune)
    return true
  } catch (error) {
    if (isWharfError(error, 'repository.no-prune-key') || isWharfError(error, 'repository.wrong-prune-key'))
      return false
    throw error
  }
}

/** True where a new one was made. */
async function makeKeyFile(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw storeFailure(`file:${path}`, 'read the key file', error)
  }
  await writeKeyFile(path)
  return true
}
