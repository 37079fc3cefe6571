// The lanes of the time line: what stands on it.
import type { BackupView, Timeline, TimelineLoad } from '../../assurance/contract.ts'
import { formatDuration } from '../../base/units.ts'
import { countText, sizeText } from '../parts/figures.tsx'
import { exactTime } from '../time/times.ts'
import { clusters, placeOf, type TimeScale } from './scale.ts'
import styles from './time-line.module.css'

/** Heights from the top, in pixels. */
export const LANES = {
  window: 8,
  windowHeight: 22,
  backups: 48,
  loads: 76,
  axis: 98,
  commits: 92,
  commitsHeight: 24,
  axisBelowCommits: 128,
} as const

/** `recover commits`. */
export interface CommitCounts {
  readonly from: string
  readonly bucketMs: number
  readonly commits: readonly number[]
  readonly completeFrom: string
  readonly undecoded: number
}

/** A recovery drill. */
export interface DrillMark {
  readonly id: string
  readonly atMs: number
  readonly passed: boolean
  readonly text: string
}

export function Window({ timeline, scale }: { readonly timeline: Timeline; readonly scale: TimeScale }) {
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

export function Backups({
  backups,
  scale,
  onBackup,
}: {
  readonly backups: readonly BackupView[]
  readonly scale: TimeScale
  readonly onBackup: ((backup: BackupView) => void) | undefined
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

export function Loads({ loads, scale }: { readonly loads: readonly TimelineLoad[]; readonly scale: TimeScale }) {
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

export function Proof({ timeline, scale }: { readonly timeline: Timeline; readonly scale: TimeScale }) {
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

/** Bars of the number of commits. What was not looked through yet is hatched: a missing bar there says nothing. */
export function Commits({ counts, scale }: { readonly counts: CommitCounts; readonly scale: TimeScale }) {
  const most = Math.max(1, ...counts.commits)
  const fromMs = Date.parse(counts.from)
  const bottom = LANES.commits + LANES.commitsHeight
  const known = Math.min(scale.width, Math.max(0, placeOf(scale, Date.parse(counts.completeFrom))))
  return (
    <g>
      <line className={styles.lane} x1={0} x2={scale.width} y1={bottom} y2={bottom} />
      {known > 1 && (
        <rect x={0} y={LANES.commits} width={known} height={LANES.commitsHeight} className={styles.unread}>
          <title>Not all WAL of this time has been looked through yet</title>
        </rect>
      )}
      {counts.commits.map((count, index) => {
        const atMs = fromMs + index * counts.bucketMs
        const left = Math.max(0, placeOf(scale, atMs))
        const right = Math.min(scale.width, placeOf(scale, atMs + counts.bucketMs))
        if (count === 0 || right <= left) return null
        const height = Math.max(1.5, (count / most) * LANES.commitsHeight)
        return (
          <rect
            key={atMs}
            className={styles.commits}
            x={left}
            y={bottom - height}
            width={Math.max(1, right - left - 0.5)}
            height={height}
          >
            <title>{`${countText(count)} commits from ${exactTime(atMs)} on, in ${formatDuration(counts.bucketMs)}`}</title>
          </rect>
        )
      })}
    </g>
  )
}

export function Drills({ drills, scale }: { readonly drills: readonly DrillMark[]; readonly scale: TimeScale }) {
  const shown = drills.filter((one) => one.atMs >= scale.fromMs && one.atMs <= scale.toMs)
  return clusters(scale, shown, (one) => one.atMs).map(({ place, events }) => {
    const passed = events.every((one) => one.passed)
    return (
      <g
        key={events[0]!.id}
        className={passed ? styles.drill : styles.failedDrill}
        transform={`translate(${place} ${LANES.window + LANES.windowHeight})`}
      >
        <path d={passed ? 'M-4.5 0L0-7L4.5 0Z' : 'M-4-7L4 0M4-7L-4 0'} />
        <title>{events.map((one) => one.text).join('\n')}</title>
      </g>
    )
  })
}
