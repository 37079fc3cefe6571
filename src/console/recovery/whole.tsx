// Recovery of the whole warehouse into an empty folder: plan, command, start, watch.
import { Switch, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import type { PlanJson } from '../api/shapes.ts'
import { CopyLine } from '../parts/copy-line.tsx'
import { Panel } from '../parts/panel.tsx'
import { Plan, planQuery, WholeInShort } from './plan.tsx'
import styles from './recovery-page.module.css'
import { StartRecovery } from './start-recovery.tsx'
import { recoverCommand, targetQuery, targetText, type Target } from './target.ts'
import { Watch } from './watch.tsx'

interface WholeProps {
  readonly warehouse: string
  readonly target: Target | undefined
  /** The target once it has not changed for a moment: what the plan is asked for. */
  readonly settled: Target | undefined
}

export function Whole({ warehouse, target, settled }: WholeProps) {
  const fallback = `/var/tmp/${warehouse}-recovered`
  const [into, setInto] = useState(fallback)
  const [start, setStart] = useState(true)
  const [resume, setResume] = useState(false)
  const [started, setStarted] = useState<{ run: string; predicted: PlanJson['time'] | undefined } | undefined>()
  const [settledInto] = useDebouncedValue(into, 350)
  const folder = settledInto.trim() === '' ? fallback : settledInto.trim()
  const client = useQueryClient()
  return (
    <>
      {settled && target ? (
        <Plan warehouse={warehouse} target={settled} into={folder} start={start} />
      ) : (
        <Panel title="Plan">
          <p className="dim">Choose what to recover to: then this shows what it takes and what would be lost.</p>
        </Panel>
      )}
      <Panel title="Do it">
        <div className={styles.command}>
          <TextInput
            size="sm"
            label={resume ? 'The folder of the recovery that was not finished' : 'Into an empty folder'}
            placeholder="/srv/recovered"
            value={into}
            onChange={(event) => setInto(event.currentTarget.value)}
          />
          <Switch
            className={styles.beside ?? ''}
            size="sm"
            label="Start it and verify"
            checked={start}
            onChange={(event) => setStart(event.currentTarget.checked)}
          />
          <Switch
            className={styles.beside ?? ''}
            size="sm"
            label="Go on with one that was interrupted"
            checked={resume}
            onChange={(event) => setResume(event.currentTarget.checked)}
          />
          {target && (
            <StartRecovery
              label="Start the recovery"
              path="/api/recover/run"
              body={{ warehouse, ...targetQuery(target), toDirectory: folder, start, ...(resume ? { resume } : {}) }}
              onStarted={(run) => {
                const plan = client.getQueryData(planQuery({ warehouse, target, into: folder, start }).queryKey)
                setStarted({ run, predicted: plan?.time })
              }}
            >
              <p className={styles.what}>
                A copy of <b>{warehouse}</b> in <code>{folder}</code>
                <br />
                State: <b>{targetText(target)}</b>
              </p>
              <p>It is made on the machine of the worker that takes the run. The warehouse itself is not touched.</p>
              <WholeInShort warehouse={warehouse} target={target} into={folder} start={start} />
            </StartRecovery>
          )}
        </div>
        {target ? (
          <CopyLine text={recoverCommand({ warehouse, target, into: folder, start, resume })} />
        ) : (
          <p className="dim">The command stands here once the target is chosen.</p>
        )}
        <p className={styles.note}>
          The command is run on the machine that takes the copy. It works without this console and without the control
          database.
        </p>
      </Panel>
      {started && <Watch key={started.run} run={started.run} title="Under way" predicted={started.predicted} />}
    </>
  )
}
