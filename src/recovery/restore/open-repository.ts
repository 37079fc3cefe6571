// The repository to recover from: declared in wharf.yaml, or named by flags alone on a bare machine (P4).
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

import type { Context } from '../../base/room.ts'
import { isWharfError } from '../../base/errors.ts'
import { bucketFromFlags } from '../../repository/bucket-config.ts'
import { repositories, type Repositories, type Repository, type StoreDescriptor } from '../../repository/contract.ts'
import { openRepository } from '../../repository/open.ts'
import { openStore } from '../../repository/stores.ts'
import type { Unlock } from '../../repository/unlock.ts'
import { warehouses } from '../../warehouse/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'

export interface RepositoryChoice {
  readonly warehouse: string
  /** The backup that is asked for by its id. */
  readonly backup?: string | undefined
  readonly repository?: string | undefined
  readonly repositoryPath?: string | undefined
  /** `s3://bucket/prefix`. */
  readonly repositoryS3?: string | undefined
  readonly s3Endpoint?: string | undefined
  readonly s3Region?: string | undefined
  readonly s3PathStyle?: boolean | undefined
  readonly s3Profile?: string | undefined
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
  if (choice.repositoryPath !== undefined || choice.repositoryS3 !== undefined) {
    const repository = await openByFlags(choice, context, signal)
    return { repository, close: () => repository.close() }
  }
  const declared = await context.use(repositories)
  const names = choice.repository === undefined ? await namesOf(choice.warehouse, context) : [choice.repository]
  if (names.length === 1) return { repository: await declared.open(names[0]!, signal), close: () => Promise.resolve() }
  const repository = await firstThatServes(names, { choice, context, declared, signal })
  return { repository, close: () => Promise.resolve() }
}

/** The first that opens and has what is asked for. Lost, away or without its key: that is what the others are for. */
async function firstThatServes(
  names: readonly string[],
  of: { choice: RepositoryChoice; context: Context; declared: Repositories; signal: AbortSignal },
): Promise<Repository> {
  const { choice, context, declared, signal } = of
  let empty: Repository | undefined
  let failure: unknown
  for (const name of names) {
    try {
      const repository = await declared.open(name, signal)
      const backups = await repository.listBackups(signal, { warehouse: choice.warehouse, onDamaged: () => {} })
      if (choice.backup === undefined ? backups.length > 0 : backups.some((one) => one.id === choice.backup))
        return repository
      empty ??= repository
    } catch (error) {
      if (signal.aborted || !isWharfError(error)) throw error
      context.log.warn({ repository: name, code: error.code }, `not recovered from there: ${error.message}`)
      failure ??= error
    }
  }
  if (empty) return empty
  throw failure
}

/** The repositories of the warehouse, in order; of a warehouse that is not declared any more, the only one that there is. */
async function namesOf(warehouse: string, context: Context): Promise<readonly string[]> {
  const all = (await context.use(repositories)).list()
  try {
    const found = (await context.use(warehouses)).get(warehouse).declaration.repositories
    if (found.length > 0) return found
  } catch (error) {
    if (!isWharfError(error, 'warehouse.unknown')) throw error
    if (all.length === 1) return [all[0]!.name]
    if (all.length === 0) throw error
  }
  throw errors.noRepository(warehouse)
}

async function openByFlags(choice: RepositoryChoice, context: Context, signal: AbortSignal): Promise<Repository> {
  const store = await openStore(descriptorOf(choice), signal)
  return await openRepository({
    name: choice.repository ?? choice.repositoryS3 ?? resolve(choice.repositoryPath!),
    store,
    unlock: await unlockOf(choice),
    clock: context.clock,
    holder: `${context.environment.user}@${context.environment.hostname}`,
    signal,
  })
}

function descriptorOf(choice: RepositoryChoice): StoreDescriptor {
  const { repositoryPath, repositoryS3: url } = choice
  if (url === undefined) return { kind: 'file', path: resolve(repositoryPath!) }
  if (repositoryPath !== undefined)
    throw errors.badOption({ option: '--repository-s3', text: url, why: 'a folder is named as well' })
  const { s3Endpoint: endpoint, s3Region: region, s3PathStyle: pathStyle, s3Profile: profile } = choice
  return { kind: 's3', options: bucketFromFlags({ url, endpoint, region, pathStyle, profile }) }
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
