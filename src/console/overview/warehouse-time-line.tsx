// The time line of a warehouse with a choice of how much of it.
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../base/units.ts'
import { statusQuery, timelineQuery } from '../api/queries.ts'
import { Answer } from '../parts/conditions.tsx'
import { Panel } from '../parts/panel.tsx'
import { Problems } from '../parts/problems.tsx'
import { now, useNow } from '../time/now.ts'
import { TimeLine } from '../timeline/time-line.tsx'

export const spans = [
  { value: '15m', label: '15 min', ms: 15 * MINUTE_MS },
  { value: '1h', label: '1 h', ms: HOUR_MS },
  { value: '6h', label: '6 h', ms: 6 * HOUR_MS },
  { value: '24h', label: '24 h', ms: DAY_MS },
  { value: '7d', label: '7 d', ms: 7 * DAY_MS },
] as const
export type Span = (typeof spans)[number]['value']

export function SpanChoice({ value, onChange }: { readonly value: Span; readonly onChange: (span: Span) => void }) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="How much time is shown"
      data={spans.map(({ value: one, label }) => ({ value: one, label }))}
      value={value}
      onChange={(one) => onChange(one)}
    />
  )
}

export function spanMs(span: Span): number {
  return spans.find((one) => one.value === span)!.ms
}

/** The shortest span that shows the whole recoverable window, at most a day: a young warehouse is not a dot at the edge. */
export function fittingSpan(fromTime: string | undefined): Span {
  const age = fromTime === undefined ? 0 : now() - Date.parse(fromTime)
  return spans.find((one) => one.ms * 0.9 > age && one.ms < DAY_MS)?.value ?? '24h'
}

/** fittingSpan() for a warehouse, until another one is chosen. */
export function useSpan(warehouse: string): [Span, (span: Span) => void] {
  const [chosen, setChosen] = useState<Span | undefined>()
  const { data } = useQuery(statusQuery)
  const status = data?.warehouses.find((one) => one.warehouse === warehouse)
  const times = status?.window.ranges.map((one) => one.fromTime).toSorted() ?? []
  return [chosen ?? fittingSpan(times[0]), setChosen]
}

interface WarehouseTimeLineProps {
  readonly warehouse: string
  /** With a choice of moments: to the recovery page. */
  readonly title?: string | undefined
}

export function WarehouseTimeLine({ warehouse, title = 'Backups and recoverable window' }: WarehouseTimeLineProps) {
  const [span, setSpan] = useSpan(warehouse)
  const query = useQuery(timelineQuery(warehouse, span))
  const nowMs = useNow(2000)
  const navigate = useNavigate()
  return (
    <Panel title={title} tools={<SpanChoice value={span} onChange={setSpan} />}>
      <Answer query={query} lines={4}>
        {(timeline) => (
          <>
            <TimeLine
              timeline={timeline}
              nowMs={nowMs}
              spanMs={spanMs(span)}
              onBackup={(backup) =>
                void navigate({ to: '/backups/$warehouse/$backup', params: { warehouse, backup: backup.id } })
              }
              beside={
                <Link to="/recovery" search={{ warehouse }}>
                  Plan a recovery
                </Link>
              }
            />
            {timeline.problems.length > 0 && (
              <div style={{ marginTop: 12 }}>
                <Problems problems={timeline.problems} />
              </div>
            )}
          </>
        )}
      </Answer>
    </Panel>
  )
}
