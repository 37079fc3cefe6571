// A run that was started from here, watched against what was predicted.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef, useState, type ReactNode } from 'react'

import { formatDuration } from '../../base/units.ts'
import type { RunJson, TaskJson } from '../../server/contract.ts'
import { useMayOperate, useRunAction } from '../api/actions.ts'
import { isActive, runQuery } from '../api/queries.ts'
import type { Span } from '../api/shapes.ts'
import { Answer, Failed } from '../parts/conditions.tsx'
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
  readonly predicted?: Pick<Span, 'expectedMs' | 'lowMs' | 'highMs'> | undefined
  /** What is shown of the result of a run that has succeeded. */
  readonly children?: ((result: unknown) => ReactNode) | undefined
}

export function Watch({ run: id, title, predicted, children }: WatchProps) {
  const query = useQuery(runQuery(id))
  const top = useRef<HTMLDivElement>(null)
  // It stands below the button that has started it, mostly out of sight.
  useEffect(() => {
    const place = top.current?.getBoundingClientRect().top ?? 0
    if (place < 0 || place > window.innerHeight * 0.75) top.current?.scrollIntoView({ block: 'center' })
  }, [])
  return (
    <Panel title={title}>
      <div ref={top} />
      <Answer query={query} lines={3}>
        {(run) => (
          <Watched run={run} predicted={predicted}>
            {children}
          </Watched>
        )}
      </Answer>
    </Panel>
  )
}

interface WatchedProps extends Pick<WatchProps, 'predicted' | 'children'> {
  readonly run: RunJson
}

function Watched({ run, predicted, children }: WatchedProps) {
  const nowMs = useNow(500)
  const task = run.tasks.find((one) => one.state === 'running') ?? run.tasks.at(-1)
  const startedMs = run.startedAt === null ? undefined : Date.parse(run.startedAt)
  const endMs = run.finishedAt === null ? nowMs : Date.parse(run.finishedAt)
  const tookMs = startedMs === undefined ? undefined : Math.max(0, endMs - startedMs)
  return (
    <div>
      <div className={styles.line}>
        <span role="status">
          <StateMark state={run.state} />
        </span>
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
        {isActive(run) && <Cancel run={run.id} />}
      </div>
      {run.state === 'running' && task?.progress && <Step progress={task.progress} />}
      {task?.error && (
        <div className={styles.error} role="alert">
          <p>{task.error.message}</p>
          {task.error.hint !== undefined && <p className="dim">{task.error.hint}</p>}
        </div>
      )}
      {run.state === 'succeeded' && <Next result={task?.result} />}
      {run.state === 'succeeded' && children && task?.result !== undefined && task.result !== null
        ? children(task.result)
        : null}
    </div>
  )
}

/** Asks once more: a click beside what was meant does not end hours of work. */
function Cancel({ run }: { readonly run: string }) {
  const [asked, setAsked] = useState(false)
  const cancel = useRunAction('/api/run/cancel')
  if (!useMayOperate()) return null
  if (!asked)
    return (
      <Button size="compact-xs" variant="default" onClick={() => setAsked(true)}>
        Cancel
      </Button>
    )
  return (
    <>
      <Button size="compact-xs" color="red" loading={cancel.isPending} onClick={() => cancel.mutate(run)}>
        Cancel it now
      </Button>
      <Button size="compact-xs" variant="default" autoFocus onClick={() => setAsked(false)}>
        Let it go on
      </Button>
      {cancel.error && <Failed error={cancel.error} />}
    </>
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
