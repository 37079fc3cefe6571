// All runs, the newest first.
import { SegmentedControl } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'

import type { RunJson } from '../../server/contract.ts'
import { isActive, runsQuery } from '../api/queries.ts'
import { Answer, Empty } from '../parts/conditions.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Meter } from '../parts/meter.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import table from '../parts/table.module.css'
import { Ago } from '../time/ago.tsx'
import { Took } from './took.tsx'

/** Task kinds that write to a warehouse; backups and operations run on the same engine. */
const loadKinds = new Set(['sql', 'copy', 'command'])

function isLoad(run: RunJson): boolean {
  return run.tasks.some((task) => loadKinds.has(task.kind))
}

const filters = {
  loads: { label: 'Loads', keep: (run: RunJson) => isLoad(run) },
  active: { label: 'Under way', keep: (run: RunJson) => isActive(run) },
  failed: { label: 'Failed', keep: (run: RunJson) => run.state === 'failed' },
  all: { label: 'All runs', keep: () => true },
} as const
type Filter = keyof typeof filters

export function LoadsPage() {
  const [filter, setFilter] = useState<Filter>('loads')
  const query = useQuery(runsQuery(200))
  return (
    <Page
      title="Loads"
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Which runs are shown"
          data={Object.entries(filters).map(([value, { label }]) => ({ value, label }))}
          value={filter}
          onChange={(value) => setFilter(value as Filter)}
        />
      }
    >
      <Panel flush label="Runs">
        <Answer query={query} lines={8}>
          {(runs) => <Runs runs={runs.filter(filters[filter].keep)} any={runs.length > 0} />}
        </Answer>
      </Panel>
    </Page>
  )
}

function Runs({ runs, any }: { readonly runs: readonly RunJson[]; readonly any: boolean }) {
  if (runs.length === 0) {
    return (
      <div style={{ padding: '0 16px' }}>
        <Empty title={any ? 'None of the runs is like that' : 'Nothing has run yet'}>
          {!any && (
            <>
              Pipelines are declared in wharf.yaml. <code>wharf load run PIPELINE</code> runs one now.
            </>
          )}
        </Empty>
      </div>
    )
  }
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">State</th>
          <th scope="col">What</th>
          <th scope="col">Business date</th>
          <th scope="col">Started by</th>
          <th scope="col">Started</th>
          <th scope="col" className={table.number}>
            Took
          </th>
          <th scope="col">Tasks</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <Row key={run.id} run={run} />
        ))}
      </tbody>
    </table>
  )
}

function Row({ run }: { readonly run: RunJson }) {
  const done = run.tasks.filter((one) => one.state === 'succeeded').length
  const error = run.tasks.find((one) => one.error)?.error
  return (
    <tr>
      <td data-span="2">
        <StateMark state={run.state} />
      </td>
      <td data-span="4" data-first>
        <Link to="/loads/$run" params={{ run: run.id }}>
          {run.pipeline}
        </Link>
        {error && run.state === 'failed' && <div className="faint">{error.message}</div>}
      </td>
      <td data-span="2" className="nowrap">
        {run.businessDate ?? <span className="faint">—</span>}
      </td>
      <td data-phone="no">{run.trigger === 'manual' || run.trigger === 'http' ? run.actor : run.trigger}</td>
      <td data-span="2">
        <Ago at={run.startedAt ?? run.createdAt} />
      </td>
      <td className={table.number}>
        <Took run={run} />
      </td>
      <td data-span="4" data-phone={run.state === 'running' ? 'yes' : 'no'} style={{ minWidth: 96 }}>
        {done} of {run.tasks.length}
        {run.state === 'running' && (
          <Meter done={done} total={run.tasks.length} label={`Progress of ${run.pipeline}`} />
        )}
      </td>
    </tr>
  )
}
