// A small line of values over time: what it is now, what its most was, and where it was not known.
import { useElementSize } from '@mantine/hooks'
import { useState, type PointerEvent } from 'react'

import { placeOf, ticks, timeAt, type TimeScale } from '../timeline/scale.ts'
import { clockTime, exactTime } from '../time/times.ts'
import styles from './line-chart.module.css'

export interface ChartPoint {
  readonly atMs: number
  /** Null where it was not known: the line has a gap there. */
  readonly value: number | null
}

interface LineChartProps {
  readonly label: string
  readonly points: readonly ChartPoint[]
  readonly fromMs: number
  readonly toMs: number
  /** Longest distance of two points that still belong together. */
  readonly gapMs: number
  readonly format: (value: number) => string
  /** The next round value, for the top of the axis. */
  readonly ceiling: (value: number) => number
  readonly height?: number
  /** A line across: a target. */
  readonly target?: number | undefined
}

const AXIS = 18
const TOP = 16

export function LineChart(props: LineChartProps) {
  const { label, points, fromMs, toMs, format, height = 120, target } = props
  const { ref, width } = useElementSize()
  const [hover, setHover] = useState<ChartPoint | undefined>()
  const scale: TimeScale = { fromMs, toMs, width: Math.max(60, width) }
  const known = points.filter((one): one is { atMs: number; value: number } => one.value !== null)
  const top = props.ceiling(Math.max(...known.map((one) => one.value), target ?? 0, 0))
  const y = (value: number) => TOP + (1 - value / top) * (height - AXIS - TOP)
  const point = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect()
    const time = timeAt(scale, event.clientX - box.left)
    setHover(
      points.reduce<ChartPoint | undefined>(
        (best, one) => (best === undefined || Math.abs(one.atMs - time) < Math.abs(best.atMs - time) ? one : best),
        undefined,
      ),
    )
  }
  const stretches = split(known, props.gapMs)
  const highest = known.reduce<number | undefined>((best, one) => Math.max(best ?? 0, one.value), undefined)
  return (
    <figure className={styles.chart} ref={ref}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={describe(label, known, format)}
          onPointerMove={point}
          onPointerLeave={() => setHover(undefined)}
        >
          {[0, 0.5, 1].map((share) => (
            <line
              key={share}
              className={styles.grid}
              x1={0}
              x2={width}
              y1={Math.round(y(top * share)) + 0.5}
              y2={Math.round(y(top * share)) + 0.5}
            />
          ))}
          {known.length > 0 && (
            <text className={styles.label} x={0} y={TOP - 5}>
              {format(top)}
            </text>
          )}
          {target !== undefined && <line className={styles.target} x1={0} x2={width} y1={y(target)} y2={y(target)} />}
          {stretches.map((stretch) => (
            <g key={stretch[0]!.atMs}>
              <path
                className={styles.area}
                d={`${path(stretch, scale, y)}L${placeOf(scale, stretch.at(-1)!.atMs)} ${y(0)}L${placeOf(scale, stretch[0]!.atMs)} ${y(0)}Z`}
              />
              <path className={styles.line} d={path(stretch, scale, y)} />
              {stretch.length === 1 && (
                <circle className={styles.lone} cx={placeOf(scale, stretch[0]!.atMs)} cy={y(stretch[0]!.value)} r={2} />
              )}
            </g>
          ))}
          {ticks(scale, 96).map((time) => {
            const place = placeOf(scale, time)
            return place > 16 && place < width - 16 ? (
              <text key={time} className={styles.tick} x={place} y={height - 4}>
                {clockTime(time)}
              </text>
            ) : null
          })}
          {hover && (
            <line
              className={styles.hover}
              x1={placeOf(scale, hover.atMs)}
              x2={placeOf(scale, hover.atMs)}
              y1={TOP}
              y2={height - AXIS}
            />
          )}
          {hover && hover.value !== null && (
            <circle className={styles.dot} cx={placeOf(scale, hover.atMs)} cy={y(hover.value)} r={3.5} />
          )}
        </svg>
      )}
      <figcaption className={styles.caption}>
        {hover ? (
          <>
            {hover.value === null ? 'not known' : format(hover.value)}{' '}
            <span className="faint">{exactTime(hover.atMs)}</span>
          </>
        ) : highest === undefined ? (
          <span className="faint">no samples yet</span>
        ) : (
          <span className="faint">most {format(highest)}</span>
        )}
      </figcaption>
    </figure>
  )
}

function path(
  points: readonly { readonly atMs: number; readonly value: number }[],
  scale: TimeScale,
  y: (value: number) => number,
): string {
  return points
    .map((one, index) => `${index === 0 ? 'M' : 'L'}${placeOf(scale, one.atMs).toFixed(1)} ${y(one.value).toFixed(1)}`)
    .join('')
}

function split<T extends { readonly atMs: number }>(points: readonly T[], gapMs: number): readonly (readonly T[])[] {
  const found: T[][] = []
  for (const one of points) {
    const last = found.at(-1)
    if (last && one.atMs - last.at(-1)!.atMs <= gapMs) last.push(one)
    else found.push([one])
  }
  return found
}

function describe(
  label: string,
  known: readonly { readonly value: number }[],
  format: (value: number) => string,
): string {
  const last = known.at(-1)
  if (!last) return `${label}: no samples yet`
  return `${label}: now ${format(last.value)}, at most ${format(Math.max(...known.map((one) => one.value)))}`
}
