// Recoverability over time: loss, WAL lag, time to recover, sizes.
import { useQuery } from '@tanstack/react-query'

import type { History, HistoryPoint } from '../../assurance/contract.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { historyQuery } from '../api/queries.ts'
import { Answer } from '../parts/conditions.tsx'
import { Panel } from '../parts/panel.tsx'
import { durationCeiling, sizeCeiling } from './ceilings.ts'
import { LineChart } from './line-chart.tsx'

type Value = keyof Omit<HistoryPoint, 'at'>

const charts: Readonly<Record<Value, { title: string; isSize: boolean }>> = {
  lagBytes: { title: 'WAL lag', isSize: true },
  rpoMs: { title: 'Lost if it happened then', isSize: false },
  rtoMs: { title: 'Time to recover', isSize: false },
  clusterBytes: { title: 'Size of the warehouse', isSize: true },
  storedBytes: { title: 'Newly stored by the newest backup', isSize: true },
}

interface HistoryChartProps {
  readonly warehouse: string
  readonly value: Value
  /** As durations are written: `1h`. */
  readonly since: string
}

export function HistoryChart({ warehouse, value, since }: HistoryChartProps) {
  const query = useQuery(historyQuery(warehouse, since))
  const { title, isSize } = charts[value]
  return (
    <Panel
      title={title}
      tools={<span className="faint">last {since.replace('m', ' min').replace('h', ' h').replace('d', ' d')}</span>}
    >
      <Answer query={query}>
        {(history) => <Line history={history} value={value} title={title} isSize={isSize} />}
      </Answer>
    </Panel>
  )
}

function Line({
  history,
  value,
  title,
  isSize,
}: {
  readonly history: History
  readonly value: Value
  readonly title: string
  readonly isSize: boolean
}) {
  return (
    <LineChart
      label={title}
      points={history.points.map((one) => ({ atMs: Date.parse(one.at), value: one[value] }))}
      fromMs={Date.parse(history.from)}
      toMs={Date.parse(history.to)}
      gapMs={Math.max(45_000, history.stepMs * 2.5)}
      format={isSize ? formatSize : formatDuration}
      ceiling={isSize ? sizeCeiling : durationCeiling}
    />
  )
}
