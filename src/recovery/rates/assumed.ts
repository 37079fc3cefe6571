// First guesses, on the slow side of one disk and two cores. They are used until something was measured; after that they only give the shape of
// what the measurements cannot tell apart (a fixed time from a rate, where all sizes were alike).
import { MIB } from '../../base/units.ts'
import type { StepName } from './times.ts'

/** A step takes `fixedMs` and `msPerByte` for each byte and `msPerCount` for each file, index or load. */
export interface StepCost {
  readonly fixedMs: number
  readonly msPerByte: number
  readonly msPerCount: number
}

function cost(fixedMs: number, bytesPerSecond: number, msPerCount = 0): StepCost {
  return { fixedMs, msPerByte: 1000 / bytesPerSecond, msPerCount }
}

export const assumedCosts: Readonly<Record<Exclude<StepName, 'replay'>, StepCost>> = {
  list: cost(300, Infinity, 0.02),
  'read-target': cost(200, 200 * MIB, 0.1),
  fetch: cost(400, 120 * MIB, 0.3),
  sync: cost(100, 400 * MIB, 0.2),
  'fetch-wal': cost(100, 100 * MIB),
  checkpoint: cost(200, 200 * MIB),
  verify: cost(1000, 200 * MIB, 0.5),
  start: cost(1500, Infinity),
  'copy-rows': cost(300, 40 * MIB, 10),
  'build-indexes': cost(100, 25 * MIB, 20),
  swap: cost(300, Infinity, 10),
  load: cost(1000, 15 * MIB, 500),
}

/** By what WAL consists of; of a usual mix some 30 MB come to a second. */
export const assumedReplay = {
  fixedMs: 1500,
  msPerByte: 1000 / (100 * MIB),
  msPerImageByte: 1000 / (50 * MIB),
  msPerVoidByte: 1000 / (400 * MIB),
  msPerRecord: 0.0015,
  msPerRead: 0.02,
} as const
