// The time line with a moment to pick, and the fields that say it exactly.
import { Select, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import type { Timeline } from '../../assurance/contract.ts'
import { formatDuration } from '../../base/units.ts'
import { commitsQuery, drillsQuery, timelineQuery } from '../api/queries.ts'
import type { DrillLine } from '../api/shapes.ts'
import { spanMs, SpanChoice, useSpan, type Span } from '../overview/warehouse-time-line.tsx'
import { Answer } from '../parts/conditions.tsx'
import { countText } from '../parts/figures.tsx'
import { now, useNow } from '../time/now.ts'
import { clockTime, dayTime, exactTime, exactTimeAndUtc } from '../time/times.ts'
import type { DrillMark } from '../timeline/lanes.tsx'
import { TimeLine } from '../timeline/time-line.tsx'
import styles from './recovery-page.module.css'

export const kinds = [
  { value: 'latest', label: 'Latest' },
  { value: 'time', label: 'A moment' },
  { value: 'load', label: 'Before a load' },
  { value: 'name', label: 'A name' },
  { value: 'lsn', label: 'An LSN' },
] as const
export type Kind = (typeof kinds)[number]['value']

interface PickerProps {
  readonly warehouse: string
  readonly kind: Kind
  readonly atMs: number | undefined
  readonly load: string
  readonly onMoment: (epochMs: number) => void
  readonly onLoad: (load: string) => void
}

export function Picker({ warehouse, kind, atMs, load, onMoment, onLoad }: PickerProps) {
  const [fitting, setSpan] = useSpan(warehouse)
  const [needed] = useState(() => spanFor(atMs))
  const span = spanMs(needed) > spanMs(fitting) ? needed : fitting
  const query = useQuery(timelineQuery(warehouse, span))
  // What cannot be had (an older server, a repository that is away) leaves its lane out.
  const commits = useQuery(commitsQuery(warehouse, span)).data
  const drills = useQuery(drillsQuery(warehouse)).data ?? []
  const nowMs = useNow(5000)
  return (
    <Answer query={query} lines={4}>
      {(timeline) => (
        <>
          <div className={styles.lineHead}>
            <p className="dim">
              {kind === 'time' && atMs !== undefined
                ? exactTimeAndUtc(atMs)
                : 'Click a moment, or use the arrow keys on the line.'}
            </p>
            <SpanChoice value={span} onChange={setSpan} />
          </div>
          <TimeLine
            timeline={timeline}
            commits={commits}
            drills={drills.flatMap(markOf)}
            nowMs={nowMs}
            spanMs={spanMs(span)}
            picked={kind === 'time' ? atMs : undefined}
            onPick={onMoment}
          />
          {kind === 'time' && <MomentField atMs={atMs} onMoment={onMoment} />}
          {kind === 'load' && <LoadChoice timeline={timeline} load={load} onLoad={onLoad} />}
        </>
      )}
    </Answer>
  )
}

function markOf({ id, startedAt, outcome, recoveryMs, problems }: DrillLine): readonly DrillMark[] {
  if (id === null || startedAt === null) return []
  const atMs = Date.parse(startedAt)
  const took = recoveryMs === null ? '' : `, recovered in ${formatDuration(recoveryMs)}`
  const evidence = problems.length > 0 ? `; its evidence is doubtful: ${problems.join('; ')}` : ''
  const passed = outcome === 'passed' && problems.length === 0
  return [{ id, atMs, passed, text: `Drill ${id} ${outcome ?? ''}, ${exactTime(atMs)}${took}${evidence}` }]
}

function spanFor(atMs: number | undefined): Span {
  const age = atMs === undefined ? 0 : now() - atMs
  return (['15m', '1h', '6h', '24h'] as const).find((one) => age < spanMs(one) * 0.95) ?? '7d'
}

function MomentField({
  atMs,
  onMoment,
}: {
  readonly atMs: number | undefined
  readonly onMoment: (epochMs: number) => void
}) {
  return (
    <TextInput
      type="datetime-local"
      step={1}
      size="sm"
      label="Exactly"
      description={`In the zone of this browser (${Intl.DateTimeFormat().resolvedOptions().timeZone})`}
      value={atMs === undefined ? '' : localText(atMs)}
      onChange={(event) => {
        const value = Date.parse(event.currentTarget.value)
        if (!Number.isNaN(value)) onMoment(value)
      }}
      maw={280}
      mt={8}
    />
  )
}

/** `2026-11-21T12:31:04` in the browser's zone. */
function localText(epochMs: number): string {
  const shifted = new Date(epochMs - new Date(epochMs).getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(0, 19)
}

function LoadChoice({
  timeline,
  load,
  onLoad,
}: {
  readonly timeline: Timeline
  readonly load: string
  readonly onLoad: (load: string) => void
}) {
  if (timeline.loads.length === 0) return <p className="dim">No load committed in this time: show more of it.</p>
  return (
    <Select
      size="sm"
      label="To just before this load"
      placeholder="Choose a load"
      searchable
      maw={560}
      mt={8}
      data={timeline.loads.map((one) => ({
        value: one.id,
        label: `${one.pipeline} · ${dayTime(Date.parse(one.committedAt))} ${clockTime(Date.parse(one.committedAt), true)} · ${countText(one.rows)} rows · ${one.id}`,
      }))}
      value={load === '' ? null : load}
      onChange={(value) => onLoad(value ?? '')}
    />
  )
}
