// The plan of a whole warehouse as the server made it: steps and times, what would be lost, what it needs, what else could be done.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query'

import { formatDuration, formatSize } from '../../base/units.ts'
import { get } from '../api/client.ts'
import type { PlanJson } from '../api/shapes.ts'
import { countText, Fact, Facts, Figure, KeyFigure } from '../parts/figures.tsx'
import { exactTime } from '../time/times.ts'
import {
  BackupFacts,
  Lines,
  Losses,
  PlanFrame,
  PlanInShort,
  SpaceFacts,
  spanNote,
  Steps,
  TargetFigure,
  TimeFigure,
} from './plan-pieces.tsx'
import styles from './plan.module.css'
import { targetQuery, type Target } from './target.ts'

interface PlanProps {
  readonly warehouse: string
  readonly target: Target
  readonly into: string
  /** Whether it is also started and verified. */
  readonly start: boolean
}

export const planQuery = ({ warehouse, target, into, start }: PlanProps) =>
  queryOptions({
    queryKey: ['plan', warehouse, target, into, start],
    queryFn: ({ signal }) =>
      get<PlanJson>('/api/recover/plan', { warehouse, ...targetQuery(target), toDirectory: into, start }, signal),
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 20_000,
  })

export function Plan(props: PlanProps) {
  return <PlanFrame query={useQuery(planQuery(props))}>{(plan) => <Shown plan={plan} />}</PlanFrame>
}

/** For the question before the start; the plan that is shown above, not another one. */
export function WholeInShort(props: PlanProps) {
  return <PlanInShort query={useQuery(planQuery(props))} without="Lost" />
}

function Shown({ plan }: { readonly plan: PlanJson }) {
  // Of other steps bytes say how large they are, not what moves.
  const bytes = plan.steps.reduce(
    (sum, one) => sum + (one.step === 'fetch' || one.step === 'replay' ? one.bytes : 0),
    0,
  )
  return (
    <>
      <dl className={styles.figures}>
        <TimeFigure label="Back in" time={plan.time} />
        <KeyFigure label="To move" note={`${countText(plan.backup.files)} files and WAL`}>
          <Figure text={formatSize(bytes)} />
        </KeyFigure>
        <TargetFigure target={plan.target} />
      </dl>
      <Steps steps={plan.steps} />
      <div className={styles.halves}>
        <div>
          <Losses title="What would be lost" plan={plan} nothing="Nothing that the repository holds." />
          <Lines title="Notes" lines={plan.notes} />
        </div>
        <div>
          <h3>From</h3>
          <Facts>
            <BackupFacts plan={plan} />
            <Fact label="WAL">
              <code>
                {plan.wal.fromLsn} – {plan.wal.toLsn}
              </code>
              , {formatSize(plan.wal.bytes)}
            </Fact>
            <SpaceFacts space={plan.space} label="Space" />
          </Facts>
          <Tiers plan={plan} />
          <Alternatives plan={plan} />
        </div>
      </div>
    </>
  )
}

function Tiers({ plan }: { readonly plan: PlanJson }) {
  if (plan.tiers === undefined) return null
  return (
    <>
      <h3 className={styles.next}>When each tier is back</h3>
      <Facts>
        {plan.tiers.map((one) => (
          <Fact
            key={one.tier}
            label={one.tier === 'critical' ? `Critical (${countText(one.relations)} tables)` : 'Everything'}
            title={spanNote(one)}
          >
            {formatDuration(one.expectedMs)}, {formatSize(one.bytes)}
          </Fact>
        ))}
      </Facts>
    </>
  )
}

function Alternatives({ plan }: { readonly plan: PlanJson }) {
  const others = plan.alternatives ?? []
  if (others.length === 0) return null
  return (
    <>
      <h3 className={styles.next}>Other backups that lead there</h3>
      <Facts>
        {others.map((one) => (
          <Fact key={one.backup} label={exactTime(Date.parse(one.finishedAt))} title={one.backup}>
            {one.kind}: {formatDuration(one.time.expectedMs)}, {formatSize(one.bytes)} and {formatSize(one.walBytes)} of
            WAL
          </Fact>
        ))}
      </Facts>
    </>
  )
}
