// What holds the copying threads of one backup back: a rate that they share, the server's own latency, their priority.
import type { Clock } from '../../base/clock.ts'
import { formatSize } from '../../base/units.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { newBucket, type BucketState } from './bucket.ts'
import { describeGuard, ForegroundGuard, type GuardPolicy } from './guard.ts'

export interface ThrottlePolicy {
  readonly bytesPerSecond: number | undefined
  /** Undefined: the server's latency is not looked at. */
  readonly foreground: Omit<GuardPolicy, 'ceilingBytesPerSecond'> | undefined
  /** Whether copying threads run behind everything else that wants a processor. */
  readonly lowPriority: boolean
}

/** Part of what a copying thread is started with. */
export interface ThreadThrottle {
  readonly bucket: BucketState | undefined
  readonly lowPriority: boolean
}

export class Throttle {
  readonly forThreads: ThreadThrottle
  private readonly policy: ThrottlePolicy | undefined
  private guard: ForegroundGuard | undefined
  private bytesRead: () => number = () => 0

  private constructor(policy: ThrottlePolicy | undefined) {
    this.policy = policy
    const held = policy && (policy.bytesPerSecond !== undefined || policy.foreground !== undefined)
    this.forThreads = {
      bucket: held ? newBucket(policy.bytesPerSecond) : undefined,
      lowPriority: policy?.lowPriority ?? false,
    }
  }

  /** Takes the baseline of the foreground: call it before anything is asked of the server that costs it. Ends with the scope. */
  static async begin(
    policy: ThrottlePolicy | undefined,
    tools: { warehouse: Warehouse; clock: Clock; signal: AbortSignal },
    scope: AsyncDisposableStack,
  ): Promise<Throttle> {
    const throttle = new Throttle(policy)
    const { bucket } = throttle.forThreads
    if (policy?.foreground && bucket) {
      const guarded = { ...policy.foreground, ceilingBytesPerSecond: policy.bytesPerSecond }
      const bytesRead = (): number => throttle.bytesRead()
      throttle.guard = scope.use(await ForegroundGuard.begin({ ...tools, policy: guarded, bucket, bytesRead }))
    }
    return throttle
  }

  watch(bytesRead: () => number): void {
    this.bytesRead = bytesRead
  }

  /** For progress. */
  get note(): string | undefined {
    return this.guard?.note
  }

  /** For the report: what the throttle did. */
  notes(): readonly string[] {
    const { guard, policy } = this
    const said: string[] = []
    if (policy?.bytesPerSecond !== undefined) said.push(`throttled to ${formatSize(policy.bytesPerSecond)}/s`)
    const held = guard && describeGuard(guard.state)
    if (held !== undefined) said.push(held)
    if (guard?.failure !== undefined)
      said.push(`the probe of the foreground failed, and reading went on at the floor: ${guard.failure}`)
    return said
  }
}
