// What a step's time hangs on, and how much of it there was: in one order for measurements, questions and rates.
import { assumedCosts, assumedReplay } from './assumed.ts'
import type { Amounts, Rates } from './fit.ts'
import type { StepName } from './times.ts'
import { mixOf, type WalMix } from './wal-mix.ts'

export interface StepSize {
  readonly bytes: number
  readonly count?: number | undefined
  /** Of the step `replay`, where it is known. */
  readonly wal?: WalMix | undefined
}

/** `usual`: to a byte, for a replay of which nothing else is known. */
export function amountsOf(step: StepName, size: StepSize, usual: WalMix): Amounts {
  if (step !== 'replay') return [1, size.bytes, size.count ?? 0]
  const { voidBytes, imageBytes, records, reads } = mixOf(size, usual)
  return [1, Math.max(0, size.bytes - voidBytes - imageBytes), imageBytes, voidBytes, records, reads]
}

export function assumedRates(step: StepName): Rates {
  if (step === 'replay') {
    const { fixedMs, msPerByte, msPerImageByte, msPerVoidByte, msPerRecord, msPerRead } = assumedReplay
    return [fixedMs, msPerByte, msPerImageByte, msPerVoidByte, msPerRecord, msPerRead]
  }
  const { fixedMs, msPerByte, msPerCount } = assumedCosts[step]
  return [fixedMs, msPerByte, msPerCount]
}
