// What was said against what was: each dot one prediction. On the line it took as long as was said, above it longer.
import { useElementSize } from '@mantine/hooks'
import { useState, type PointerEvent } from 'react'

import { formatDuration } from '../../base/units.ts'
import { logScale, logTicks, shareOf, type LogScale } from './log-scale.ts'
import styles from './scatter-chart.module.css'

export interface ScatterPoint {
  readonly key: string
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly measuredMs: number
  /** `guess`: whatever it came to, nothing was measured before it. */
  readonly fate: 'held' | 'off' | 'guess'
  /** In words. */
  readonly text: string
}

interface ScatterChartProps {
  /** In words, for those who do not see it. */
  readonly label: string
  readonly points: readonly ScatterPoint[]
  readonly height?: number
}

const LEFT = 48
const BOTTOM = 20
const TOP = 14
const RIGHT = 10
/** Intervals of more points than these are a thicket: only that of the nearest is drawn then. */
const mostRanges = 40

interface Place {
  readonly x: (ms: number) => number
  readonly y: (ms: number) => number
}

export function ScatterChart({ label, points, height = 240 }: ScatterChartProps) {
  const { ref, width } = useElementSize()
  const [hover, setHover] = useState<ScatterPoint | undefined>()
  const scale = logScale(points.flatMap((one) => [one.expectedMs, one.measuredMs]))
  const place: Place = {
    x: (ms) => LEFT + shareOf(scale, ms) * Math.max(1, width - LEFT - RIGHT),
    y: (ms) => TOP + (1 - shareOf(scale, ms)) * (height - TOP - BOTTOM),
  }
  const point = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect()
    setHover(nearest(points, place, { x: event.clientX - box.left, y: event.clientY - box.top }))
  }
  return (
    <figure className={styles.chart} ref={ref}>
      {width > 0 && (
        <svg
          width={width}
          height={height}
          role="img"
          aria-label={label}
          onPointerMove={point}
          onPointerLeave={() => setHover(undefined)}
        >
          <Frame scale={scale} place={place} height={height} width={width} />
          {points.map((one) => (
            <Dot key={one.key} point={one} place={place} range={points.length <= mostRanges || one === hover} />
          ))}
          {hover && (
            <circle className={styles.picked} cx={place.x(hover.expectedMs)} cy={place.y(hover.measuredMs)} r={8} />
          )}
        </svg>
      )}
      <figcaption className={styles.caption}>{hover ? hover.text : <Legend points={points} />}</figcaption>
    </figure>
  )
}

function nearest(
  points: readonly ScatterPoint[],
  place: Place,
  at: { x: number; y: number },
): ScatterPoint | undefined {
  const distance = (one: ScatterPoint) => Math.hypot(place.x(one.expectedMs) - at.x, place.y(one.measuredMs) - at.y)
  return points.reduce<ScatterPoint | undefined>(
    (best, one) => (best === undefined || distance(one) < distance(best) ? one : best),
    undefined,
  )
}

interface FrameProps {
  readonly scale: LogScale
  readonly place: Place
  readonly height: number
  readonly width: number
}

function Frame({ scale, place, height, width }: FrameProps) {
  const { fromMs, toMs } = scale
  return (
    <g>
      {logTicks(scale).map((ms) => (
        <g key={ms}>
          <line className={styles.grid} x1={LEFT} x2={width - RIGHT} y1={place.y(ms)} y2={place.y(ms)} />
          <line className={styles.grid} x1={place.x(ms)} x2={place.x(ms)} y1={TOP} y2={height - BOTTOM} />
          <text className={styles.tick} x={LEFT - 6} y={place.y(ms) + 4} textAnchor="end">
            {tickText(ms)}
          </text>
          <text className={styles.tick} x={place.x(ms)} y={height - 5} textAnchor="middle">
            {tickText(ms)}
          </text>
        </g>
      ))}
      <line className={styles.even} x1={place.x(fromMs)} y1={place.y(fromMs)} x2={place.x(toMs)} y2={place.y(toMs)} />
      <text className={styles.word} x={LEFT + 6} y={TOP + 12}>
        took longer than said
      </text>
      <text className={styles.word} x={width - RIGHT - 6} y={height - BOTTOM - 7} textAnchor="end">
        was back sooner
      </text>
    </g>
  )
}

function tickText(ms: number): string {
  return formatDuration(ms).replace('.0 ', ' ')
}

interface DotProps {
  readonly point: ScatterPoint
  readonly place: Place
  readonly range: boolean
}

function Dot({ point, place, range }: DotProps) {
  const { expectedMs, measuredMs, lowMs, highMs, fate } = point
  const [x, y] = [place.x(expectedMs), place.y(measuredMs)]
  return (
    <g>
      {range && fate !== 'guess' && (
        <line
          className={fate === 'held' ? styles.range : styles.rangeOff}
          x1={place.x(lowMs)}
          x2={place.x(highMs)}
          y1={y}
          y2={y}
        />
      )}
      <Mark fate={fate} x={x} y={y} />
    </g>
  )
}

/** Of different shapes, so that colour is not the only sign. */
function Mark({ fate, x, y }: { readonly fate: ScatterPoint['fate']; readonly x: number; readonly y: number }) {
  if (fate === 'held') return <circle className={styles.held} cx={x} cy={y} r={3.6} />
  if (fate === 'guess') return <rect className={styles.guess} x={x - 3} y={y - 3} width={6} height={6} />
  return <path className={styles.off} d={`M${x} ${y - 5}L${x + 5} ${y}L${x} ${y + 5}L${x - 5} ${y}Z`} />
}

const words: Readonly<Record<ScatterPoint['fate'], string>> = {
  held: 'within its interval',
  off: 'outside it',
  guess: 'a first guess',
}

function Legend({ points }: { readonly points: readonly ScatterPoint[] }) {
  const fates = (['held', 'off', 'guess'] as const).filter((fate) => points.some((one) => one.fate === fate))
  return (
    <span className={styles.legend}>
      <span>Across: predicted. Up: measured.</span>
      {fates.map((fate) => (
        <span key={fate}>
          <svg width={12} height={12} aria-hidden="true">
            <Mark fate={fate} x={6} y={6} />
          </svg>
          {words[fate]}
        </span>
      ))}
    </span>
  )
}
