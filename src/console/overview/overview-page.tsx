// The first screen: can everything be brought back, and what is wrong.
import { useQuery } from '@tanstack/react-query'

import type { Problem, Status } from '../../assurance/contract.ts'
import { statusQuery } from '../api/queries.ts'
import { HistoryChart } from '../charts/history-charts.tsx'
import { Answer, Empty } from '../parts/conditions.tsx'
import { CopyLine } from '../parts/copy-line.tsx'
import { Halves, Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { Problems } from '../parts/problems.tsx'
import styles from './overview-page.module.css'
import { RecentLoads } from './recent-loads.tsx'
import { WarehouseHero } from './warehouse-hero.tsx'
import { useSpan, WarehouseTimeLine } from './warehouse-time-line.tsx'

export function OverviewPage() {
  const query = useQuery(statusQuery)
  return (
    <Page title="Overview">
      <Answer query={query} lines={6}>
        {(status) => (status.warehouses.length === 0 ? <Nothing status={status} /> : <Warehouses status={status} />)}
      </Answer>
    </Page>
  )
}

function Nothing({ status }: { readonly status: Status }) {
  return (
    <Panel>
      <Empty title={status.sentence}>
        {status.verdict === 'none' ? (
          <>
            <p>A warehouse is any PostgreSQL 15 to 18 that can be reached by URL.</p>
            <br />
            <CopyLine text="wharf warehouse add postgresql://user@host/database" />
          </>
        ) : (
          <Problems problems={status.problems} />
        )}
      </Empty>
    </Panel>
  )
}

function Warehouses({ status }: { readonly status: Status }) {
  const problems: readonly Problem[] = [
    ...status.problems,
    ...status.warehouses.flatMap((one) => one.problems),
  ].toSorted(bySeverity)
  // The last row takes what the side is longer, so that nothing is torn apart.
  const rows = 2 * status.warehouses.length
  return (
    <div className={styles.grid} style={{ gridTemplateRows: `repeat(${rows - 1}, auto) 1fr` }}>
      {status.warehouses.map((one) => (
        <div key={one.warehouse} className={styles.hero}>
          <WarehouseHero status={one} />
        </div>
      ))}
      <div className={styles.side} style={{ gridRowEnd: `span ${rows}` }}>
        <Panel title="What is wrong now" tools={<Count problems={problems} />}>
          <Problems problems={problems} empty="Nothing. Every check passes." />
        </Panel>
        <RecentLoads status={status} />
      </div>
      {status.warehouses.map((one) => (
        <div key={one.warehouse} className={styles.more}>
          <WarehouseTimeLine
            warehouse={one.warehouse}
            title={status.warehouses.length > 1 ? `${one.warehouse}: backups and recoverable window` : undefined}
          />
          <Charts warehouse={one.warehouse} />
        </div>
      ))}
    </div>
  )
}

function Charts({ warehouse }: { readonly warehouse: string }) {
  const [span] = useSpan(warehouse)
  return (
    <Halves>
      <HistoryChart warehouse={warehouse} value="lagBytes" since={span} />
      <HistoryChart warehouse={warehouse} value="clusterBytes" since={span} />
    </Halves>
  )
}

const order: Readonly<Record<Problem['severity'], number>> = { critical: 0, warning: 1, info: 2 }

function bySeverity(a: Problem, b: Problem): number {
  return order[a.severity] - order[b.severity]
}

function Count({ problems }: { readonly problems: readonly Problem[] }) {
  const serious = problems.filter((one) => one.severity !== 'info').length
  return serious === 0 ? null : <span className="faint">{serious}</span>
}
