// The service `repositories`: what wharf.yaml declares, opened once per program run.
import { provide, type Context, type ServiceProvider } from '../base/room.ts'
import { declaredRepositories, declaredRepository, type DeclaredRepository } from './config.ts'
import { repositories, type Repositories, type Repository } from './contract.ts'
import { hasNewerDataKey } from './keys/newer.ts'
import { openRepository } from './open.ts'
import { openStore } from './stores.ts'

/** Opens one as declared. */
export async function openDeclared(
  context: Context,
  declared: DeclaredRepository,
  signal: AbortSignal,
): Promise<Repository> {
  const { user, hostname } = context.environment
  return openRepository({
    name: declared.name,
    store: await openStore(declared.descriptor, signal),
    unlock: declared.unlock,
    clock: context.clock,
    holder: `${user}@${hostname}, process ${process.pid}`,
    signal,
  })
}

function buildRepositories(context: Context, scope: AsyncDisposableStack): Repositories {
  const opened = new Map<string, Promise<Repository>>()
  const outdated: Repository[] = []
  scope.defer(async () => {
    for (const one of outdated) await one.close()
    for (const one of opened.values()) await one.then((repository) => repository.close()).catch(() => {})
  })
  return {
    list: () => declaredRepositories(context).map(({ name, location, encrypted }) => ({ name, location, encrypted })),
    open: (name, signal) => {
      const known = opened.get(name)
      if (known) return known.then((repository) => fresh(name, repository, signal))
      return openNew(name, signal)
    },
  }

  function openNew(name: string, signal: AbortSignal): Promise<Repository> {
    const opening = (async () => openDeclared(context, declaredRepository(context, name), signal))()
    opened.set(name, opening)
    opening.catch(() => opened.delete(name))
    return opening
  }

  /** Keys are rotated while we run: what is stored from then on needs the new one. Who holds the old opening keeps it. */
  async function fresh(name: string, repository: Repository, signal: AbortSignal): Promise<Repository> {
    // A store that is away says so when it is used.
    if (!(await hasNewerDataKey(repository, signal).catch(() => false))) return repository
    outdated.push(repository)
    return await openNew(name, signal)
  }
}

export const repositoriesProvider: ServiceProvider = provide(repositories, buildRepositories)
