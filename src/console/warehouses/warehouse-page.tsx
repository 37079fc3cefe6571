// One warehouse: what it is, how it went, where its WAL stands.
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'

import type { ReceiverView, WarehouseStatus } from '../../assurance/contract.ts'
import { statusQuery, warehouseQuery } from '../api/queries.ts'
import { HistoryChart } from '../charts/history-charts.tsx'
import { SpanChoice, useSpan, WarehouseTimeLine } from '../overview/warehouse-time-line.tsx'
import { WarehouseHero } from '../overview/warehouse-hero.tsx'
import { Answer, Empty } from '../parts/conditions.tsx'
import { durationText, Fact, Facts, sizeText } from '../parts/figures.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Columns, Halves, Page, Stack } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { Problems } from '../parts/problems.tsx'
import { Ago } from '../time/ago.tsx'
import { factsOf } from './server-facts.ts'
import styles from './warehouse-page.module.css'

export function WarehousePage() {
  const { warehouse } = useParams({ from: '/inside/warehouses/$warehouse' })
  const query = useQuery(statusQuery)
  return (
    <Page title={warehouse} crumb={<Link to="/warehouses">Warehouses</Link>}>
      <Answer query={query} lines={6}>
        {(status) => {
          const one = status.warehouses.find((candidate) => candidate.warehouse === warehouse)
          if (one) return <Warehouse status={one} />
          return (
            <Panel>
              <Empty title={`No warehouse is called “${warehouse}”`} />
            </Panel>
          )
        }}
      </Answer>
    </Page>
  )
}

function Warehouse({ status }: { readonly status: WarehouseStatus }) {
  const { warehouse } = status
  const [span, setSpan] = useSpan(warehouse)
  return (
    <Columns>
      <Stack>
        <WarehouseHero status={status} />
        <WarehouseTimeLine warehouse={warehouse} />
        <header className={styles.over}>
          <h2>Over time</h2>
          <SpanChoice value={span} onChange={setSpan} />
        </header>
        <Halves>
          <HistoryChart warehouse={warehouse} value="rpoMs" since={span} />
          <HistoryChart warehouse={warehouse} value="lagBytes" since={span} />
          <HistoryChart warehouse={warehouse} value="rtoMs" since={span} />
          <HistoryChart warehouse={warehouse} value="clusterBytes" since={span} />
        </Halves>
      </Stack>
      <Stack>
        <Panel title="What is wrong now">
          <Problems problems={status.problems} empty="Nothing. Every check passes." />
        </Panel>
        {status.receivers.map((one) => (
          <Receiver key={one.repository} receiver={one} />
        ))}
        <ServerFacts warehouse={warehouse} />
      </Stack>
    </Columns>
  )
}

function Receiver({ receiver }: { readonly receiver: ReceiverView }) {
  return (
    <Panel title={`WAL to ${receiver.repository}`}>
      <Facts>
        <Fact label="State">
          <StateMark state={receiver.state} />
        </Fact>
        <Fact label="Not durable yet">
          {sizeText(receiver.lagBytes)}, {durationText(receiver.lagMs)}
        </Fact>
        <Fact label="Durable to">
          <code>{receiver.durableLsn ?? '—'}</code>
        </Fact>
        <Fact label="Server is at">
          <code>{receiver.serverLsn ?? '—'}</code>
        </Fact>
        <Fact label="Timeline">{receiver.timeline ?? '—'}</Fact>
        <Fact label="Last heard">
          <Ago at={receiver.lastMessageAt} />
        </Fact>
      </Facts>
      {receiver.error && (
        <Problems
          problems={[
            {
              code: receiver.error.code,
              severity: 'critical',
              message: receiver.error.message,
              hint: receiver.error.hint,
            },
          ]}
        />
      )}
    </Panel>
  )
}

function ServerFacts({ warehouse }: { readonly warehouse: string }) {
  const query = useQuery(warehouseQuery(warehouse))
  return (
    <Panel title="Server">
      <Answer query={query}>
        {(shown) => (
          <Facts>
            {factsOf(shown).map(([label, value]) => (
              <Fact key={label} label={label}>
                {value}
              </Fact>
            ))}
          </Facts>
        )}
      </Answer>
    </Panel>
  )
}
