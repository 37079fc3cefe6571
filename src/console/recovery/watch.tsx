// A run that was started from here, watched against what was predicted.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { formatDuration } from '../../base/units.ts'
import type { RunJson, TaskJson } from '../../server/contract.ts'
import { runQuery } from '../api/queries.ts'
import { Answer } from '../parts/conditions.tsx'
import { countText, durationText, sizeText } from '../parts/figures.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Meter } from '../parts/meter.tsx'
import { Panel } from '../parts/panel.tsx'
import { useNow } from '../time/now.ts'
import styles from './watch.module.css'

interface WatchProps {
  readonly run: string
  readonly title: string
  /** What the plan said, milliseconds. */
  readonly predicted?: { readonly expectedMs: number; readonly lowMs: number; readonly highMs: number } | undefined
}

export function Watch({ run: id, title, predicted }: WatchProps) {
  const query = useQuery(runQuery(id))
  return (
    <Panel title={title}>
      <Answer query={query} lines={3}>
        {(run) => <Watched run={run} predicted={predicted} />}
      </Answer>
    </Panel>
  )
}

function Watched({ run, predicted }: { readonly run: RunJson; readonly predicted: WatchProps['predicted'] }) {
  const nowMs = useNow(500)
  const task = run.tasks.find((one) => one.state === 'running') ?? run.tasks.at(-1)
  const startedMs = run.startedAt === null ? undefined : Date.parse(run.startedAt)
  const endMs = run.finishedAt === null ? nowMs : Date.parse(run.finishedAt)
  const tookMs = startedMs === undefined ? undefined : Math.max(0, endMs - startedMs)
  return (
    <div aria-live="polite">
      <p className={styles.line}>
        <StateMark state={run.state} />
        <span>{tookMs === undefined ? 'waits for a worker' : durationText(tookMs)}</span>
        {predicted && (
          <span className="dim">
            predicted {formatDuration(predicted.expectedMs)} ({formatDuration(predicted.lowMs)} to{' '}
            {formatDuration(predicted.highMs)})
          </span>
        )}
        <Link to="/loads/$run" params={{ run: run.id }}>
          Log and details
        </Link>
      </p>
      {run.state === 'running' && task?.progress && <Step progress={task.progress} />}
      {task?.error && (
        <div className={styles.error} role="alert">
          <p>{task.error.message}</p>
          {task.error.hint !== undefined && <p className="dim">{task.error.hint}</p>}
        </div>
      )}
      {run.state === 'succeeded' && <Next result={task?.result} />}
    </div>
  )
}

function Step({ progress }: { readonly progress: NonNullable<TaskJson['progress']> }) {
  const amount = progress.unit === 'bytes' ? sizeText : countText
  const words = [
    progress.phase,
    progress.done === undefined
      ? undefined
      : `${amount(progress.done)}${progress.total === undefined ? '' : ` of ${amount(progress.total)}`}`,
    progress.leftMs === undefined ? undefined : `${durationText(progress.leftMs)} left`,
    progress.note,
  ]
  return (
    <>
      <Meter done={progress.done} total={progress.total} label={progress.phase} />
      <p className="faint">{words.filter((one) => one !== undefined).join(' · ')}</p>
    </>
  )
}

/** What an operation says is to be done now. */
function Next({ result }: { readonly result: unknown }) {
  const next = (result as { next?: unknown } | null | undefined)?.next
  if (!Array.isArray(next) || next.length === 0) return null
  return (
    <ul className={styles.next}>
      {next.map((line) => (
        <li key={String(line)}>{String(line)}</li>
      ))}
    </ul>
  )
}
