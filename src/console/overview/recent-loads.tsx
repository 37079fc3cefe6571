// The newest loads over all warehouses, those under way with their progress.
import { Link } from '@tanstack/react-router'

import type { LoadRunView, Status } from '../../assurance/contract.ts'
import { Meter } from '../parts/meter.tsx'
import { Sign, stateTone } from '../parts/marks.tsx'
import { countText, durationText } from '../parts/figures.tsx'
import { Panel } from '../parts/panel.tsx'
import { Ago } from '../time/ago.tsx'
import { useNow } from '../time/now.ts'
import styles from './recent-loads.module.css'

const SHOWN = 9

export function RecentLoads({ status }: { readonly status: Status }) {
  const asked = status.warehouses.filter((one) => one.loads !== null)
  const runs = asked
    .flatMap((one) => one.loads!.recent)
    .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .slice(0, SHOWN)
  return (
    <Panel title="Loads" tools={<Link to="/loads">All</Link>}>
      {runs.length === 0 ? (
        <p className="dim">{asked.length === 0 ? 'Could not be asked.' : 'No load has run yet.'}</p>
      ) : (
        <ul className={styles.list}>
          {runs.map((run) => (
            <Row key={run.runId} run={run} />
          ))}
        </ul>
      )}
    </Panel>
  )
}

function Row({ run }: { readonly run: LoadRunView }) {
  const isRunning = run.state === 'running'
  return (
    <li className={styles.row}>
      <Sign tone={stateTone(run.state)} />
      <div className={styles.text}>
        <div className={styles.line}>
          <Link to="/loads/$run" params={{ run: run.runId }}>
            {run.pipeline}
          </Link>
          <span className="faint">
            {isRunning ? <Running run={run} /> : <Ago at={run.finishedAt ?? run.createdAt} />}
          </span>
        </div>
        <div className={styles.detail}>
          <span className="visually-hidden">{run.state}</span>
          {detail(run)}
        </div>
        {isRunning && <Meter done={run.tasksDone} total={run.tasks} label={`Progress of ${run.pipeline}`} />}
      </div>
    </li>
  )
}

function Running({ run }: { readonly run: LoadRunView }) {
  const nowMs = useNow(1000)
  return <>{durationText(Math.max(0, nowMs - Date.parse(run.startedAt ?? run.createdAt)))}</>
}

function detail(run: LoadRunView): string {
  if (run.error) return run.error.message
  const parts = [run.businessDate ?? undefined, run.rows === null ? undefined : `${countText(run.rows)} rows`]
  if (run.state === 'running') parts.push(`${run.tasksDone} of ${run.tasks} tasks`)
  if (run.state === 'queued' || run.state === 'cancelled') parts.push(run.state)
  return parts.filter((one) => one !== undefined).join(' · ')
}
