// `backup.<warehouse>.retention` of wharf.yaml.
import { z } from 'zod'

import { cron, duration, timezone, whole } from '../../base/config-types.ts'
import { HOUR_MS } from '../../base/units.ts'
import type { NamedRule } from './policy.ts'

const number = () => whole(1, 100_000).optional()
const rule = {
  count: number().describe('the newest so many backups'),
  age: duration().optional().describe('backups so young, counted back from the newest one'),
  gfs: z
    .strictObject({ daily: number(), weekly: number(), monthly: number(), yearly: number() })
    .optional()
    .describe('the newest backup of each of the last so many days, weeks, months, years (UTC)'),
  window: duration()
    .optional()
    .describe('every moment so far back stays recoverable: its WAL and the backup before it are kept'),
  keep_at_least: whole(1, 100_000).default(1).describe('never fewer than this'),
}
const asks = (one: { count?: unknown; age?: unknown; gfs?: unknown; window?: unknown }): boolean =>
  [one.count, one.age, one.gfs, one.window].some((value) => value !== undefined)
const NOTHING = 'give at least one of count, age, gfs and window'

const tierRule = z.strictObject(rule).refine(asks, { message: NOTHING })
export const SHORTEST_GRACE_MS = HOUR_MS

export const retentionSchema = z
  .strictObject({
    ...rule,
    tiers: z
      .strictObject({ critical: tierRule.optional(), standard: tierRule.optional() })
      .prefault({})
      .describe('what data of a tier asks for: a backup is kept as long as the longest of its tiers asks'),
    grace: duration()
      .prefault('3d')
      .refine((ms) => ms >= SHORTEST_GRACE_MS, { message: 'at least 1h' })
      .describe('how long an expired backup can still be brought back'),
    cron: cron()
      .prefault('0 7 * * *')
      .describe('when wharf up expires, where the prune key is; it waits for a running backup'),
    timezone: timezone().prefault('UTC'),
  })
  .refine((one) => asks(one) || Object.values(one.tiers).some((tier) => tier !== undefined), { message: NOTHING })
  .optional()
  .describe('how long backups and WAL are kept; left out: for ever')

export type Retention = NonNullable<z.output<typeof retentionSchema>>
type Rule = z.output<typeof tierRule>

/** All rules that ask for something; none without retention. */
export function rulesOf(retention: Retention | undefined): readonly NamedRule[] {
  if (!retention) return []
  const tiers = Object.entries(retention.tiers).flatMap(([tier, one]) => (one ? [ruleOf(one, `tier ${tier}`)] : []))
  return asks(retention) ? [ruleOf(retention, 'retention'), ...tiers] : tiers
}

function ruleOf(of: Rule, name: string): NamedRule {
  return {
    name,
    count: of.count,
    ageMs: of.age,
    ...(of.gfs ? { gfs: of.gfs } : {}),
    windowMs: of.window,
    keepAtLeast: of.keep_at_least,
  }
}

/** How far back every moment is promised; undefined: as far as the oldest kept backup goes. */
export function windowOf(rules: readonly NamedRule[]): number | undefined {
  const windows = rules.flatMap((one) => (one.windowMs === undefined ? [] : [one.windowMs]))
  return windows.length === 0 ? undefined : Math.max(...windows)
}
