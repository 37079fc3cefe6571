// A recovery plan as the server made it: steps and times, what would be lost, what it needs.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query'

import { formatDuration, formatSize } from '../../base/units.ts'
import { get } from '../api/client.ts'
import type { PlanJson, PlanStep } from '../api/shapes.ts'
import { Answer } from '../parts/conditions.tsx'
import { countText, Fact, Facts, Figure, KeyFigure } from '../parts/figures.tsx'
import { Sign } from '../parts/marks.tsx'
import { Panel } from '../parts/panel.tsx'
import { exactTime } from '../time/times.ts'
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
  const query = useQuery(planQuery(props))
  return (
    <Panel title="Plan">
      <div className={query.isPlaceholderData || query.isFetching ? styles.stale : undefined}>
        {query.error ? (
          <Answer query={{ ...query, data: undefined } as typeof query}>{() => null}</Answer>
        ) : (
          <Answer query={query} lines={6}>
            {(plan) => <Shown plan={plan} />}
          </Answer>
        )}
      </div>
    </Panel>
  )
}

function Shown({ plan }: { readonly plan: PlanJson }) {
  const losses = lossesOf(plan.lost)
  // Of other steps bytes say how large they are, not what moves.
  const bytes = plan.steps.reduce(
    (sum, one) => sum + (one.step === 'fetch' || one.step === 'replay' ? one.bytes : 0),
    0,
  )
  return (
    <>
      <dl className={styles.figures}>
        <KeyFigure
          label="Back in"
          note={`${formatDuration(plan.time.lowMs)} to ${formatDuration(plan.time.highMs)}, ${plan.time.basis} rates`}
        >
          <Figure text={formatDuration(plan.time.expectedMs)} />
        </KeyFigure>
        <KeyFigure label="To move" note={`${countText(plan.backup.files)} files and WAL`}>
          <Figure text={formatSize(bytes)} />
        </KeyFigure>
        <KeyFigure label="Target" note={plan.target.resolved}>
          <span className={styles.word}>{plan.target.asked}</span>
        </KeyFigure>
      </dl>
      <Steps steps={plan.steps} />
      <div className={styles.halves}>
        <div>
          <h3>What would be lost</h3>
          {losses.length === 0 ? (
            <p>
              <Sign tone="good" /> Nothing that the repository holds.
            </p>
          ) : (
            <ul className={styles.list}>
              {losses.map((one) => (
                <li key={one}>{one}</li>
              ))}
            </ul>
          )}
          {plan.notes.length > 0 && (
            <>
              <h3>Notes</h3>
              <ul className={styles.list}>
                {plan.notes.map((one) => (
                  <li key={one}>{one}</li>
                ))}
              </ul>
            </>
          )}
        </div>
        <div>
          <h3>From</h3>
          <Facts>
            <Fact label="Backup">
              {plan.backup.kind}, {exactTime(Date.parse(plan.backup.finishedAt))}
            </Fact>
            <Fact label="Repository">{plan.repository}</Fact>
            <Fact label="WAL">
              <code>
                {plan.wal.fromLsn} – {plan.wal.toLsn}
              </code>
              , {formatSize(plan.wal.bytes)}
            </Fact>
            {plan.space.map((one) => (
              <Fact key={one.folders.join()} label="Space">
                {formatSize(one.neededBytes)} needed, {formatSize(one.freeBytes)} free
              </Fact>
            ))}
          </Facts>
        </div>
      </div>
    </>
  )
}

function Steps({ steps }: { readonly steps: readonly PlanStep[] }) {
  const total = steps.reduce((sum, one) => sum + one.expectedMs, 0)
  return (
    <ol className={styles.steps}>
      {steps.map((one) => (
        <li key={one.step}>
          <span className={styles.what}>{one.what}</span>
          <span className={styles.bar} aria-hidden="true">
            <i style={{ width: `${total === 0 ? 0 : Math.max(1, (one.expectedMs / total) * 100)}%` }} />
          </span>
          <span
            className={styles.time}
            title={`${formatDuration(one.lowMs)} to ${formatDuration(one.highMs)}, ${one.basis}`}
          >
            {formatDuration(one.expectedMs)}
          </span>
        </li>
      ))}
    </ol>
  )
}

function lossesOf(lost: PlanJson['lost']): readonly string[] {
  return [
    lost.transactions
      ? `${countText(lost.transactions.count)} committed transactions, from ${lost.transactions.first} to ${lost.transactions.last}`
      : undefined,
    lost.loads.length > 0 ? `Loads after the target: ${lost.loads.join(', ')}` : undefined,
    lost.unlogged.relations.length > 0
      ? `Unlogged relations come back empty (${formatSize(lost.unlogged.bytes)}): ${lost.unlogged.relations.join(', ')}`
      : undefined,
    lost.hole ? `Everything after ${lost.hole.from}: WAL up to ${lost.hole.to} is missing` : undefined,
    ...lost.corrupt.map((one) => `Damaged at the source: ${one}`),
  ].filter((one) => one !== undefined)
}
