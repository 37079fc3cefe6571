// Backups, loads and the recoverable window on one line of time. With `onPick` a moment can be chosen by pointer or keys.
import { useElementSize } from '@mantine/hooks'
import { useMemo, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'

import type { BackupView, Timeline } from '../../assurance/contract.ts'
import { clockTime, dayTime, exactTime } from '../time/times.ts'
import { Backups, Commits, Drills, LANES, Loads, Proof, Window, type CommitCounts, type DrillMark } from './lanes.tsx'
import { neighbour, placeOf, ticks, timeAt, type TimeScale } from './scale.ts'
import styles from './time-line.module.css'

const GUTTER = 66
const MARGIN_RIGHT = 14

interface TimeLineProps {
  readonly timeline: Timeline
  /** A lane of its own where it is given. */
  readonly commits?: CommitCounts | undefined
  readonly drills?: readonly DrillMark[]
  readonly nowMs: number
  /** How much time is shown, up to now. */
  readonly spanMs: number
  /** Epoch milliseconds of the chosen moment. */
  readonly picked?: number | undefined
  readonly onPick?: (epochMs: number) => void
  readonly onBackup?: (backup: BackupView) => void
  /** Stands at the end of the line below. */
  readonly beside?: ReactNode
}

export function TimeLine(props: TimeLineProps) {
  const { ref, width: outerWidth } = useElementSize()
  const [hover, setHover] = useState<number | undefined>()
  const { timeline, nowMs, spanMs, picked, onPick, commits, drills = [] } = props
  const axis = commits ? LANES.axisBelowCommits : LANES.axis
  const width = Math.max(120, outerWidth - GUTTER - MARGIN_RIGHT)
  const scale: TimeScale = useMemo(() => ({ fromMs: nowMs - spanMs, toMs: nowMs, width }), [nowMs, spanMs, width])
  const shown = hover ?? picked
  const at = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect()
    return clamp(timeAt(scale, event.clientX - box.left - GUTTER), scale)
  }
  const keys = useKeys(props, scale)
  const pickable = onPick !== undefined
  return (
    <div ref={ref} className={styles.frame}>
      {outerWidth > 0 && (
        <svg
          className={pickable ? styles.pickable : styles.plot}
          width={outerWidth}
          height={axis + 20}
          {...(pickable
            ? {
                role: 'slider',
                tabIndex: 0,
                'aria-label': 'Moment to recover to',
                'aria-valuemin': Math.round(scale.fromMs / 1000),
                'aria-valuemax': Math.round(scale.toMs / 1000),
                'aria-valuenow': Math.round((picked ?? scale.toMs) / 1000),
                'aria-valuetext': describe(timeline, picked ?? scale.toMs),
                onKeyDown: keys,
              }
            : { role: 'img', 'aria-label': summary(timeline) })}
          onPointerMove={(event) => setHover(at(event))}
          onPointerLeave={() => setHover(undefined)}
          onClick={(event) => onPick?.(at(event as unknown as PointerEvent))}
        >
          <LaneNames commits={commits !== undefined} />
          <g transform={`translate(${GUTTER} 0)`}>
            <Axis scale={scale} bottom={axis} />
            <Window timeline={timeline} scale={scale} />
            <Backups backups={timeline.backups} scale={scale} onBackup={props.onBackup} />
            <Loads loads={timeline.loads} scale={scale} />
            {commits && <Commits counts={commits} scale={scale} />}
            <Proof timeline={timeline} scale={scale} />
            <Drills drills={drills} scale={scale} />
            {shown !== undefined && <Cursor scale={scale} at={shown} bottom={axis} solid={hover === undefined} />}
          </g>
        </svg>
      )}
      <div className={styles.foot}>
        <p className={styles.readout} aria-hidden="true">
          {shown === undefined ? (
            <Legend unlogged={timeline.loads.some((one) => !one.logged)} drills={drills.length > 0} />
          ) : (
            describe(timeline, shown)
          )}
        </p>
        {props.beside}
      </div>
    </div>
  )
}

function clamp(epochMs: number, scale: TimeScale): number {
  return Math.min(scale.toMs, Math.max(scale.fromMs, epochMs))
}

/** Arrows step, Page keys go from event to event, Home and End to the ends of what is shown. */
function useKeys({ timeline, picked, onPick }: TimeLineProps, scale: TimeScale) {
  return (event: KeyboardEvent) => {
    if (!onPick) return
    const here = picked ?? scale.toMs
    const step = ((scale.toMs - scale.fromMs) / 400) * (event.shiftKey ? 10 : 1)
    const events = [
      ...timeline.backups.map((one) => Date.parse(one.finishedAt)),
      ...timeline.loads.map((one) => Date.parse(one.committedAt)),
    ].sort((a, b) => a - b)
    const moves: Readonly<Record<string, number | undefined>> = {
      ArrowLeft: here - step,
      ArrowDown: here - step,
      ArrowRight: here + step,
      ArrowUp: here + step,
      PageDown: neighbour(events, here, -1),
      PageUp: neighbour(events, here, 1),
      Home: scale.fromMs,
      End: scale.toMs,
    }
    if (!(event.key in moves)) return
    event.preventDefault()
    onPick(clamp(moves[event.key] ?? here, scale))
  }
}

/** What is known of a moment, in words. */
export function describe(timeline: Timeline, epochMs: number): string {
  const isIn = timeline.ranges.some(
    (one) => epochMs >= Date.parse(one.fromTime) && epochMs <= Date.parse(one.toTime) + 1000,
  )
  const isHole = timeline.holes.some((one) => epochMs > Date.parse(one.fromTime) && epochMs < Date.parse(one.toTime))
  const end = timeline.ranges.at(-1)
  const after = end !== undefined && epochMs > Date.parse(end.toTime)
  const state = isIn
    ? 'can be recovered'
    : isHole
      ? 'WAL is missing: cannot be recovered'
      : after
        ? 'newest changes, not yet a recovery point'
        : 'before the recoverable window'
  return `${exactTime(epochMs)}: ${state}`
}

function summary(timeline: Timeline): string {
  const first = timeline.ranges[0]
  const last = timeline.ranges.at(-1)
  const range =
    first && last
      ? `recoverable from ${exactTime(Date.parse(first.fromTime))} to ${exactTime(Date.parse(last.toTime))}`
      : 'no recoverable window'
  return `Time line of ${timeline.warehouse}: ${range}, ${timeline.holes.length} holes, ${timeline.backups.length} backups, ${timeline.loads.length} loads`
}

function LaneNames({ commits }: { readonly commits: boolean }) {
  return (
    <g className={styles.names}>
      <text x={0} y={LANES.window + 15}>
        Window
      </text>
      <text x={0} y={LANES.backups + 4}>
        Backups
      </text>
      <text x={0} y={LANES.loads + 4}>
        Loads
      </text>
      {commits && (
        <text x={0} y={LANES.commits + 12}>
          Commits
        </text>
      )}
    </g>
  )
}

function Axis({ scale, bottom }: { readonly scale: TimeScale; readonly bottom: number }) {
  const isLong = scale.toMs - scale.fromMs > 36 * 3_600_000
  return (
    <g>
      {ticks(scale).map((time) => {
        const place = Math.round(placeOf(scale, time)) + 0.5
        return (
          <g key={time} className={styles.tick}>
            <line x1={place} x2={place} y1={0} y2={bottom - 6} />
            {place > 14 && place < scale.width - 46 && (
              <text x={place} y={bottom + 8}>
                {isLong && clockTime(time) === '00:00' ? dayTime(time) : clockTime(time)}
              </text>
            )}
          </g>
        )
      })}
      <line className={styles.now} x1={scale.width} x2={scale.width} y1={0} y2={bottom - 6} />
      <text className={styles.nowName} x={scale.width} y={bottom + 8}>
        now
      </text>
    </g>
  )
}

interface CursorProps {
  readonly scale: TimeScale
  readonly at: number
  readonly bottom: number
  readonly solid: boolean
}

function Cursor({ scale, at, bottom, solid }: CursorProps) {
  const place = placeOf(scale, at)
  if (place < 0 || place > scale.width) return null
  return (
    <g className={solid ? styles.cursor : styles.hover} transform={`translate(${place} 0)`}>
      <line y1={2} y2={bottom - 6} />
      {solid && <path d="M-5 0H5L0 7Z" />}
    </g>
  )
}

function Legend({ unlogged, drills }: { readonly unlogged: boolean; readonly drills: boolean }) {
  return (
    <span className={styles.legend}>
      <span>
        <i className={styles.keyRange} /> recoverable
      </span>
      <span>
        <i className={styles.keyHole} /> hole
      </span>
      <span>
        <i className={styles.keyFull} /> full
      </span>
      <span>
        <i className={styles.keyIncrement} /> increment
      </span>
      <span>
        <i className={styles.keyLoad} /> load
      </span>
      {unlogged && (
        <span>
          <i className={styles.keyUnlogged} /> load, not logged
        </span>
      )}
      {drills && (
        <span>
          <i className={styles.keyDrill} /> drill
        </span>
      )}
    </span>
  )
}
