// One task: how it went.
import type { TaskJson } from '../../server/contract.ts'
import { countText, durationText, Fact, Facts, sizeText } from '../parts/figures.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Meter } from '../parts/meter.tsx'
import { Panel } from '../parts/panel.tsx'
import { Ago } from '../time/ago.tsx'
import styles from './task-detail.module.css'
import { Took } from './took.tsx'

export function TaskDetail({ task }: { readonly task: TaskJson }) {
  return (
    <Panel title={`Task ${task.name}`}>
      <Facts>
        <Fact label="State">
          <StateMark state={task.state} />
        </Fact>
        <Fact label="Kind">{task.kind}</Fact>
        <Fact label="Attempts">{task.attempts}</Fact>
        <Fact label="Started">{task.startedAt === null ? '—' : <Ago at={task.startedAt} />}</Fact>
        <Fact label="Took">
          <Took run={task} />
        </Fact>
        {task.needs.length > 0 && <Fact label="Needs">{task.needs.join(', ')}</Fact>}
        {results(task.result).map(([key, value]) => (
          <Fact key={key} label={key}>
            {value}
          </Fact>
        ))}
      </Facts>
      {task.state === 'running' && task.progress && <Progress progress={task.progress} name={task.name} />}
      {task.error && (
        <div className={styles.error} role="alert">
          <p>{task.error.message}</p>
          {task.error.hint !== undefined && <p className="dim">{task.error.hint}</p>}
          <p className="faint mono">{task.error.code}</p>
        </div>
      )}
    </Panel>
  )
}

function Progress({ progress, name }: { readonly progress: NonNullable<TaskJson['progress']>; readonly name: string }) {
  const amount = progress.unit === 'bytes' ? sizeText : countText
  const parts = [
    progress.phase,
    progress.done === undefined
      ? undefined
      : `${amount(progress.done)}${progress.total === undefined ? '' : ` of ${amount(progress.total)}`}`,
    progress.rate === undefined ? undefined : `${amount(Math.round(progress.rate))}/s`,
    progress.leftMs === undefined ? undefined : `${durationText(progress.leftMs)} left`,
  ]
  return (
    <div className={styles.progress}>
      <Meter done={progress.done} total={progress.total} label={`Progress of ${name}`} />
      <p className="faint">{parts.filter((one) => one !== undefined).join(' · ')}</p>
      {progress.note !== undefined && <p className="faint">{progress.note}</p>}
    </div>
  )
}

/** Plain values of a result; what is nested is left to the log and to --json. */
function results(result: unknown): readonly (readonly [string, string])[] {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return []
  return Object.entries(result).flatMap(([key, value]) => {
    if (typeof value === 'number')
      return [
        [
          words(key),
          /bytes$/i.test(key) ? sizeText(value) : /ms$/i.test(key) ? durationText(value) : countText(value),
        ] as const,
      ]
    return typeof value === 'string' && value.length < 60 ? [[words(key), value] as const] : []
  })
}

function words(key: string): string {
  const text = key.replaceAll(/(?<=[a-z])([A-Z])/g, ' $1').toLowerCase()
  return text.charAt(0).toUpperCase() + text.slice(1)
}
