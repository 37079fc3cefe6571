// One run: its graph, its tasks, its log, live.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useState } from 'react'

import type { RunJson, TaskJson } from '../../server/contract.ts'
import { useMayOperate, useRunAction } from '../api/actions.ts'
import { isActive, runQuery } from '../api/queries.ts'
import { Answer, Failed } from '../parts/conditions.tsx'
import { Fact, Facts } from '../parts/figures.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Columns, Page, Stack } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { Ago } from '../time/ago.tsx'
import { RunLog } from './run-log.tsx'
import { TaskDetail } from './task-detail.tsx'
import { TaskGraph } from './task-graph.tsx'
import { Took } from './took.tsx'

export function RunPage() {
  const { run: id } = useParams({ from: '/inside/loads/$run' })
  const query = useQuery(runQuery(id))
  const crumb = <Link to="/loads">Loads</Link>
  return (
    <Page
      title={query.data?.pipeline ?? 'Run'}
      crumb={crumb}
      beside={query.data && <small className="faint">{query.data.businessDate}</small>}
      actions={query.data && <Actions run={query.data} />}
    >
      <Answer query={query} lines={8}>
        {(run) => <Run run={run} />}
      </Answer>
    </Page>
  )
}

function Run({ run }: { readonly run: RunJson }) {
  const [picked, setPicked] = useState<string | undefined>()
  const chosen = run.tasks.find((one) => one.name === picked) ?? mostTelling(run.tasks)
  return (
    <Columns>
      <Stack>
        <Panel title="Tasks">
          <TaskGraph tasks={run.tasks} chosen={chosen?.name} onChoose={setPicked} />
        </Panel>
        <RunLog run={run} />
      </Stack>
      <Stack>
        <Panel title="Run">
          <Facts>
            <Fact label="State">
              <StateMark state={run.state} />
            </Fact>
            <Fact label="Started by">{run.trigger === 'schedule' ? 'schedule' : `${run.actor} (${run.trigger})`}</Fact>
            <Fact label="Started">
              <Ago at={run.startedAt ?? run.createdAt} />
            </Fact>
            <Fact label="Took">
              <Took run={run} />
            </Fact>
            <Fact label="Id">
              <code>{run.id}</code>
            </Fact>
          </Facts>
        </Panel>
        {chosen && <TaskDetail task={chosen} />}
      </Stack>
    </Columns>
  )
}

/** What one would click first: what failed, else what runs, else the last. */
function mostTelling(tasks: readonly TaskJson[]): TaskJson | undefined {
  return tasks.find((one) => one.state === 'failed') ?? tasks.find((one) => one.state === 'running') ?? tasks.at(-1)
}

function Actions({ run }: { readonly run: RunJson }) {
  const mayOperate = useMayOperate()
  const cancel = useRunAction('/api/run/cancel')
  const retry = useRunAction('/api/run/retry')
  if (!mayOperate) return null
  const error = cancel.error ?? retry.error
  return (
    <>
      {error && <Failed error={error} />}
      {isActive(run) && (
        <Button
          size="xs"
          variant="default"
          color="red"
          loading={cancel.isPending}
          onClick={() => cancel.mutate(run.id)}
        >
          Cancel
        </Button>
      )}
      {(run.state === 'failed' || run.state === 'cancelled') && (
        <Button size="xs" loading={retry.isPending} onClick={() => retry.mutate(run.id)}>
          Try again
        </Button>
      )}
    </>
  )
}
