// `--since` and `--until`: times, or how far back.
import { DAY_MS, parseDuration } from '../../base/units.ts'
import { localZone, parseMoment } from '../target/time.ts'
import { whenErrors as errors } from './errors.ts'

const DEFAULT_BACK_MS = 7 * DAY_MS

export interface Span {
  /** Microseconds since 1970 UTC. */
  readonly sinceUs: bigint
  readonly untilUs: bigint | undefined
}

export function spanOf(
  asked: { readonly since?: string | undefined; readonly until?: string | undefined },
  nowMs: number,
): Span {
  const sinceUs =
    asked.since === undefined ? BigInt(Math.floor(nowMs - DEFAULT_BACK_MS)) * 1000n : momentOf(asked.since, nowMs)
  const untilUs = asked.until === undefined ? undefined : momentOf(asked.until, nowMs)
  if (untilUs !== undefined && untilUs <= sinceUs)
    throw errors.badSpan({ since: asked.since ?? '7d', until: asked.until! })
  return { sinceUs, untilUs }
}

function momentOf(text: string, nowMs: number): bigint {
  if (/^(?:\d+(?:ms|[smhd]))+$/.test(text)) return BigInt(Math.floor(nowMs - parseDuration(text))) * 1000n
  return parseMoment(text, localZone()).timeUs
}
