// `keep: inputs` for one task: the required repositories of its warehouse, each with a lease that lasts as long as the task works.
import type { TaskExecution } from '../../runs/contract.ts'
import { repositories, type KeptWriter } from '../../repository/contract.ts'
import { warehouses, type Session } from '../../warehouse/contract.ts'
import { errors } from '../errors.ts'
import { LoadRecorder } from './recorder.ts'
import { sessionFacts, type SessionFacts } from './session-facts.ts'

type Kept = TaskExecution<{ warehouse?: string | undefined; keep: boolean }>

/** Undefined where nothing is to be kept. Rejects where a required repository cannot be reached: then nothing is loaded either. */
export async function openKeeping(task: Kept, session: Session, signal: AbortSignal): Promise<Keeping | undefined> {
  const { warehouse, keep } = task.input
  if (!keep || warehouse === undefined) return undefined
  const { declaration } = (await task.context.use(warehouses)).get(warehouse)
  const names = declaration.repositories.filter((name) => !declaration.optionalRepositories.includes(name))
  if (names.length === 0) throw errors.nowhereToKeep({ warehouse })
  const service = await task.context.use(repositories)
  const scope = new AsyncDisposableStack()
  try {
    const writers: KeptWriter[] = []
    const purpose = `load of "${task.run.pipeline}" task "${task.task.name}"`
    for (const name of names) {
      const repository = await service.open(name, signal)
      writers.push(scope.use(await repository.kept.begin({ warehouse, purpose, signal })))
    }
    return new Keeping(task, { writers, session, facts: await sessionFacts(session) }, scope)
  } catch (error) {
    await scope.disposeAsync()
    throw error
  }
}

export interface KeepingParts {
  readonly writers: readonly KeptWriter[]
  readonly session: Session
  readonly facts: SessionFacts
}

export class Keeping implements AsyncDisposable {
  private readonly task: Kept
  private readonly parts: KeepingParts
  private readonly scope: AsyncDisposableStack

  constructor(task: Kept, parts: KeepingParts, scope: AsyncDisposableStack) {
    this.task = task
    this.parts = parts
    this.scope = scope
  }

  /** For one load: one transaction. */
  record(): LoadRecorder {
    return new LoadRecorder(this.task, this.parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scope.disposeAsync()
  }
}
