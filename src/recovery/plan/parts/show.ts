// The plan of a way that has begun, from what its sandbox is about to be made of; shown to whoever called, and scored at the end.
import type { OperationContext } from '../../../base/operation.ts'
import type { Manifest } from '../../../repository/contract.ts'
import { addRecord, readRecords, type RecoveryRecord } from '../../rates/times.ts'
import { sandboxSpace, type PreparedSandbox } from '../../sandbox/prepare.ts'
import type { StopPoint } from '../../target/resolve.ts'
import type { PartWish } from './find.ts'
import { makePartPlan, surveyFor, withPredicted, type PartPlan } from './plan.ts'
import { partPlanText } from './text.ts'

/** Of the first sandbox: whether a second one is needed nobody knows yet. */
export class ShownPlan {
  private readonly warehouse: string
  private readonly wishOf: (manifest: Manifest) => PartWish
  private readonly context: OperationContext
  private readonly signal: AbortSignal
  private plan: PartPlan | undefined

  constructor(parts: {
    warehouse: string
    wishOf: (manifest: Manifest) => PartWish
    context: OperationContext
    signal: AbortSignal
  }) {
    this.warehouse = parts.warehouse
    this.wishOf = parts.wishOf
    this.context = parts.context
    this.signal = parts.signal
  }

  readonly onPrepared = async (prepared: PreparedSandbox & { readonly stop: StopPoint }): Promise<void> => {
    if (this.plan) return
    const { context, warehouse } = this
    const { manifest, repository } = prepared
    const wish = this.wishOf(manifest)
    this.plan = await makePartPlan(
      {
        ...prepared,
        ...wish,
        repository: repository.name,
        space: await sandboxSpace(prepared),
        survey: await surveyFor(prepared, this.signal),
        asked: {
          records: await readRecords(context.home),
          warehouse,
          repository: repository.name,
          machine: context.environment.hostname,
          way: wish.way,
        },
      },
      this.signal,
    )
    context.say?.(partPlanText(this.plan))
  }

  /** Measured against predicted, for the time model. Never rejects. */
  async keepTimes(
    record: Omit<RecoveryRecord, 'at' | 'warehouse' | 'verified' | 'machine' | 'repository'>,
  ): Promise<void> {
    const { context, warehouse, plan } = this
    await addRecord(context.home, {
      ...record,
      at: new Date(context.clock.now()).toISOString(),
      warehouse,
      verified: false,
      steps: withPredicted(record.steps, plan),
      machine: context.environment.hostname,
      ...(plan ? { repository: plan.repository, predicted: plan.time } : {}),
    }).catch((error: unknown) => context.log.warn({ err: error }, 'the times of this recovery could not be kept'))
  }
}
