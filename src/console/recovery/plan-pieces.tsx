// What plans have in common: their frame while they are made, steps and times, losses, space, and why this backup.
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { formatDuration, formatSize } from '../../base/units.ts'
import type { AnyPlanJson, PlanStep, SpaceJson, Span } from '../api/shapes.ts'
import { Answer } from '../parts/conditions.tsx'
import { Fact, Figure, KeyFigure } from '../parts/figures.tsx'
import { Sign } from '../parts/marks.tsx'
import { Panel } from '../parts/panel.tsx'
import { exactTime } from '../time/times.ts'
import { lossesOf } from './losses.ts'
import styles from './plan.module.css'

interface FrameProps<T> {
  readonly query: UseQueryResult<T>
  readonly children: (plan: T) => ReactNode
}

/** A plan of something else than what is chosen now is never shown as if it were that: it is dimmed and said, and gone once the new one has failed. */
export function PlanFrame<T>({ query, children }: FrameProps<T>) {
  const isOld = query.isPlaceholderData
  return (
    <Panel title="Plan">
      {isOld && (
        <p className={styles.making} role="status">
          <Sign tone="busy" /> Planning what is chosen now. Below is still the plan before it.
        </p>
      )}
      <div className={isOld ? styles.stale : undefined} aria-busy={isOld}>
        <Answer query={query} lines={6}>
          {children}
        </Answer>
      </div>
    </Panel>
  )
}

/** `9.1 s to 17 s in 4 of 5 cases, by measurements`. */
export function spanNote({ lowMs, highMs, basis }: Span): string {
  const rests = basis === 'measured' ? 'by measurements' : 'partly a first guess'
  return `${formatDuration(lowMs)} to ${formatDuration(highMs)} in 4 of 5 cases, ${rests}`
}

export function TimeFigure({ label, time }: { readonly label: string; readonly time: Span }) {
  return (
    <KeyFigure label={label} note={spanNote(time)}>
      <Figure text={formatDuration(time.expectedMs)} />
    </KeyFigure>
  )
}

export function TargetFigure({ target }: { readonly target: AnyPlanJson['target'] }) {
  return (
    <KeyFigure label="Target" note={`${target.resolved}, timeline ${target.timeline}`}>
      <span className={styles.word}>{target.asked}</span>
    </KeyFigure>
  )
}

export function Steps({ steps }: { readonly steps: readonly PlanStep[] }) {
  const total = steps.reduce((sum, one) => sum + one.expectedMs, 0)
  return (
    <ol className={styles.steps}>
      {steps.map((one) => (
        <li key={`${one.step} ${one.what}`}>
          <span className={styles.what}>
            {one.what}
            {one.bytes > 0 && <span className="faint"> {formatSize(one.bytes)}</span>}
          </span>
          <span className={styles.bar} aria-hidden="true">
            <i style={{ width: `${total === 0 ? 0 : Math.max(1, (one.expectedMs / total) * 100)}%` }} />
          </span>
          <span className={styles.time}>
            {formatDuration(one.expectedMs)}
            <span className={styles.span}>
              {formatDuration(one.lowMs)} – {formatDuration(one.highMs)}
              {one.basis === 'assumed' && ', guessed'}
            </span>
          </span>
        </li>
      ))}
    </ol>
  )
}

/** `nothing`: what is said where nothing is lost. */
export function Losses({
  title,
  plan,
  nothing,
}: {
  readonly title: string
  readonly plan: AnyPlanJson
  readonly nothing: string
}) {
  const losses = lossesOf(plan)
  return (
    <>
      <h3>{title}</h3>
      {losses.length === 0 ? (
        <p className={styles.nothing}>
          <Sign tone="good" /> {nothing}
        </p>
      ) : (
        <Lines lines={losses} />
      )}
    </>
  )
}

export function Lines({ title, lines }: { readonly title?: string; readonly lines: readonly string[] }) {
  if (lines.length === 0) return null
  return (
    <>
      {title !== undefined && <h3>{title}</h3>}
      <ul className={styles.list}>
        {lines.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </>
  )
}

export function BackupFacts({ plan }: { readonly plan: AnyPlanJson }) {
  return (
    <>
      <Fact label="Backup">
        {plan.backup.kind}, {exactTime(Date.parse(plan.backup.finishedAt))}
        <div className="faint mono">{plan.backup.id}</div>
      </Fact>
      {plan.because !== undefined && <Fact label="Why this one">{plan.because}</Fact>}
      <Fact label="Repository">{plan.repository}</Fact>
    </>
  )
}

/** Too little is a word and a sign. */
export function SpaceFacts({ space, label }: { readonly space: readonly SpaceJson[]; readonly label: string }) {
  return space.map((one) => {
    const short = one.neededBytes > one.freeBytes
    return (
      <Fact key={one.folders.join()} label={label} title={one.folders.join(', ')}>
        {short && (
          <>
            <Sign tone="bad" /> too little:{' '}
          </>
        )}
        {formatSize(one.neededBytes)} needed, {formatSize(one.freeBytes)} free
        <div className="faint mono">{one.folders.join(', ')}</div>
      </Fact>
    )
  })
}

interface InShortProps {
  readonly query: UseQueryResult<AnyPlanJson>
  /** What the losses are: `Lost`. */
  readonly without: string
}

/** In the question before a start: what the plan has said, or that there is none. */
export function PlanInShort({ query, without }: InShortProps) {
  const { data, error, isPlaceholderData } = query
  if (error)
    return (
      <p className={styles.short} role="alert">
        <Sign tone="bad" /> There is no plan for this: {error.message}.
      </p>
    )
  if (data === undefined || isPlaceholderData)
    return (
      <p className={styles.short}>
        <Sign tone="busy" /> The plan is still being made.
      </p>
    )
  const [first, ...more] = lossesOf(data)
  return (
    <div className={styles.short}>
      <p>
        Back in about <b>{formatDuration(data.time.expectedMs)}</b> ({spanNote(data.time)}).
      </p>
      {first !== undefined && (
        <p>
          {without}: {first}
          {more.length > 0 && `; and ${more.length} more, see the plan`}.
        </p>
      )}
    </div>
  )
}
