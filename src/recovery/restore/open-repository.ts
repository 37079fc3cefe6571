// The repository to recover from: declared in wharf.yaml, or named by flags alone on a bare machine (P4).
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import type { Context } from '../../base/room.ts'
import { isWharfError } from '../../base/errors.ts'
import { repositories, type Repository } from '../../repository/contract.ts'
import { openRepository } from '../../repository/open.ts'
import { openStore } from '../../repository/stores.ts'
import type { Unlock } from '../../repository/unlock.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'

export interface RepositoryChoice {
  readonly warehouse: string
  readonly repository?: string | undefined
  readonly repositoryPath?: string | undefined
  readonly keyFile?: string | undefined
  readonly passphraseFile?: string | undefined
}

/** `close` does nothing for a declared repository: others in this process use it too. */
export interface ChosenRepository {
  readonly repository: Repository
  close(): Promise<void>
}

export async function openChosenRepository(
  choice: RepositoryChoice,
  context: Context,
  signal: AbortSignal,
): Promise<ChosenRepository> {
  if (choice.repositoryPath !== undefined) {
    const repository = await openByPath(choice, context, signal)
    return { repository, close: () => repository.close() }
  }
  const declared = await context.use(repositories)
  const repository = await declared.open(choice.repository ?? (await firstOf(choice.warehouse, context)), signal)
  return { repository, close: () => Promise.resolve() }
}

/** The first repository of the warehouse; of a warehouse that is not declared any more, the only one that there is. */
async function firstOf(warehouse: string, context: Context): Promise<string> {
  const all = (await context.use(repositories)).list()
  try {
    const found = (await context.use(warehouses)).get(warehouse).declaration.repositories[0]
    if (found !== undefined) return found
  } catch (error) {
    if (!isWharfError(error, 'warehouse.unknown')) throw error
    if (all.length === 1) return all[0]!.name
    if (all.length === 0) throw error
  }
  throw errors.noRepository(warehouse)
}

async function openByPath(choice: RepositoryChoice, context: Context, signal: AbortSignal): Promise<Repository> {
  const path = resolve(choice.repositoryPath!)
  return await openRepository({
    name: choice.repository ?? path,
    store: await openStore({ kind: 'file', path }),
    unlock: await unlockOf(choice),
    clock: context.clock,
    holder: `${context.environment.user}@${context.environment.hostname}`,
    signal,
  })
}

async function unlockOf(choice: RepositoryChoice): Promise<Unlock> {
  if (choice.keyFile !== undefined && choice.passphraseFile !== undefined) {
    throw errors.badOption({ option: '--key-file', text: choice.keyFile, why: 'a passphrase file is named as well' })
  }
  if (choice.keyFile !== undefined) return { by: 'key-file', path: resolve(choice.keyFile) }
  if (choice.passphraseFile === undefined) return { by: 'none' }
  const text = await readFile(choice.passphraseFile, 'utf8').catch((error: unknown) => {
    throw errors.badOption(
      { option: '--passphrase-file', text: choice.passphraseFile!, why: 'it cannot be read' },
      { cause: error },
    )
  })
  // One line feed at the end belongs to the file, not to the passphrase.
  return { by: 'passphrase', passphrase: text.replace(/\r?\n$/, '') }
}
