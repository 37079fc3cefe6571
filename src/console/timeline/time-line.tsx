// Backups, loads and the recoverable window on one line of time. With `onPick` a moment can be chosen by pointer or keys.
import { useElementSize } from '@mantine/hooks'
import { useMemo, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'

import type { BackupView, Timeline, TimelineLoad } from '../../assurance/contract.ts'
import { formatDuration } from '../../base/units.ts'
import { countText, sizeText } from '../parts/figures.tsx'
import { clockTime, dayTime, exactTime } from '../time/times.ts'
import { clusters, neighbour, placeOf, ticks, timeAt, type TimeScale } from './scale.ts'
import styles from './time-line.module.css'

const HEIGHT = 118
const LANES = { window: 8, windowHeight: 22, backups: 48, loads: 76, axis: 98 }
const GUTTER = 66
const MARGIN_RIGHT = 14

interface TimeLineProps {
  readonly timeline: Timeline
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
  const { timeline, nowMs, spanMs, picked, onPick } = props
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
          height={HEIGHT}
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
          <LaneNames />
          <g transform={`translate(${GUTTER} 0)`}>
            <Axis scale={scale} />
            <Window timeline={timeline} scale={scale} />
            <Backups backups={timeline.backups} scale={scale} onBackup={props.onBackup} />
            <Loads loads={timeline.loads} scale={scale} />
            <Proof timeline={timeline} scale={scale} />
            {shown !== undefined && <Cursor scale={scale} at={shown} solid={hover === undefined} />}
          </g>
        </svg>
      )}
      <div className={styles.foot}>
        <p className={styles.readout} aria-hidden="true">
          {shown === undefined ? (
            <Legend unlogged={timeline.loads.some((one) => !one.logged)} />
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

function LaneNames() {
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
    </g>
  )
}

function Axis({ scale }: { readonly scale: TimeScale }) {
  const isLong = scale.toMs - scale.fromMs > 36 * 3_600_000
  return (
    <g>
      {ticks(scale).map((time) => {
        const place = Math.round(placeOf(scale, time)) + 0.5
        return (
          <g key={time} className={styles.tick}>
            <line x1={place} x2={place} y1={0} y2={LANES.axis - 6} />
            {place > 14 && place < scale.width - 46 && (
              <text x={place} y={LANES.axis + 8}>
                {isLong && clockTime(time) === '00:00' ? dayTime(time) : clockTime(time)}
              </text>
            )}
          </g>
        )
      })}
      <line className={styles.now} x1={scale.width} x2={scale.width} y1={0} y2={LANES.axis - 6} />
      <text className={styles.nowName} x={scale.width} y={LANES.axis + 8}>
        now
      </text>
    </g>
  )
}

function Window({ timeline, scale }: { readonly timeline: Timeline; readonly scale: TimeScale }) {
  const box = (from: number, to: number) => {
    const left = Math.max(0, placeOf(scale, from))
    return {
      x: left,
      width: Math.max(0, Math.min(scale.width, placeOf(scale, to)) - left),
      y: LANES.window,
      height: LANES.windowHeight,
    }
  }
  return (
    <g>
      <defs>
        <pattern id="hole" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
          <rect width="6" height="6" className={styles.holeGround} />
          <rect width="2" height="6" className={styles.holeStripe} />
        </pattern>
      </defs>
      <rect className={styles.track} x={0} y={LANES.window} width={scale.width} height={LANES.windowHeight} rx={3} />
      {timeline.holes.map((one) => (
        <rect key={one.fromTime} {...box(Date.parse(one.fromTime), Date.parse(one.toTime))} fill="url(#hole)">
          <title>{`Hole: WAL from ${one.fromLsn} to ${one.toLsn} is missing`}</title>
        </rect>
      ))}
      {timeline.ranges.map((one) => (
        <rect
          key={`${one.timeline}-${one.fromLsn}`}
          className={styles.range}
          {...box(Date.parse(one.fromTime), Date.parse(one.toTime))}
          rx={3}
        >
          <title>{`Recoverable from ${exactTime(Date.parse(one.fromTime))} to ${exactTime(Date.parse(one.toTime))} (timeline ${one.timeline})`}</title>
        </rect>
      ))}
    </g>
  )
}

function Backups({
  backups,
  scale,
  onBackup,
}: {
  readonly backups: readonly BackupView[]
  readonly scale: TimeScale
  readonly onBackup: TimeLineProps['onBackup']
}) {
  return (
    <g>
      <line className={styles.lane} x1={0} x2={scale.width} y1={LANES.backups} y2={LANES.backups} />
      {clusters(scale, backups, (one) => Date.parse(one.finishedAt)).map(({ place, events }) => {
        const newest = events.at(-1)!
        const isFull = events.some((one) => one.kind === 'full')
        const size = isFull ? 6.5 : 4.5
        return (
          <g
            key={newest.id}
            className={`${isFull ? styles.full : styles.increment} ${onBackup ? styles.link : ''}`}
            transform={`translate(${place} ${LANES.backups})`}
            onClick={
              onBackup &&
              ((event) => {
                event.stopPropagation()
                onBackup(newest)
              })
            }
          >
            <path d={`M0 ${-size}L${size} 0L0 ${size}L${-size} 0Z`} />
            {newest.corruptBlocks > 0 && <circle className={styles.badDot} cx={6} cy={-6} r={2.5} />}
            <title>
              {events
                .map(
                  (one) =>
                    `${one.kind} backup ${one.id}, ${exactTime(Date.parse(one.finishedAt))}, ${sizeText(one.storedBytes)} stored`,
                )
                .join('\n')}
            </title>
          </g>
        )
      })}
    </g>
  )
}

function Loads({ loads, scale }: { readonly loads: readonly TimelineLoad[]; readonly scale: TimeScale }) {
  return (
    <g>
      <line className={styles.lane} x1={0} x2={scale.width} y1={LANES.loads} y2={LANES.loads} />
      {clusters(scale, loads, (one) => Date.parse(one.committedAt), 3).map(({ place, events }) => (
        <rect
          key={events[0]!.id}
          className={events.some((one) => !one.logged) ? styles.unloggedLoad : styles.load}
          x={place - 1.25}
          y={LANES.loads - 8}
          width={2.5}
          height={16}
          rx={1.25}
        >
          <title>
            {events
              .slice(0, 12)
              .map(
                (one) =>
                  `${one.pipeline} (${one.task}), ${exactTime(Date.parse(one.committedAt))}, ${countText(one.rows)} rows`,
              )
              .join('\n')}
          </title>
        </rect>
      ))}
    </g>
  )
}

function Proof({ timeline, scale }: { readonly timeline: Timeline; readonly scale: TimeScale }) {
  if (!timeline.proof) return null
  const place = placeOf(scale, Date.parse(timeline.proof.at))
  if (place < 0 || place > scale.width) return null
  return (
    <g transform={`translate(${place} ${LANES.window + LANES.windowHeight / 2})`} className={styles.proof}>
      <circle r={8} />
      <path d="M-3.5 0.2L-1 2.7L3.6-2.6" />
      <title>{`Proven by a recovery, ${exactTime(Date.parse(timeline.proof.at))}, which took ${formatDuration(timeline.proof.durationMs)}`}</title>
    </g>
  )
}

function Cursor({ scale, at, solid }: { readonly scale: TimeScale; readonly at: number; readonly solid: boolean }) {
  const place = placeOf(scale, at)
  if (place < 0 || place > scale.width) return null
  return (
    <g className={solid ? styles.cursor : styles.hover} transform={`translate(${place} 0)`}>
      <line y1={2} y2={LANES.axis - 6} />
      {solid && <path d="M-5 0H5L0 7Z" />}
    </g>
  )
}

function Legend({ unlogged }: { readonly unlogged: boolean }) {
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
    </span>
  )
}
