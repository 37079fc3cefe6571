// Recovery of one database, as a new one beside the others.
import { TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import { formatDuration } from '../../base/units.ts'
import type { DatabaseJson, Span } from '../api/shapes.ts'
import { CopyLine } from '../parts/copy-line.tsx'
import { countText } from '../parts/figures.tsx'
import { Panel } from '../parts/panel.tsx'
import { PartInShort, PartPlan, partPlanQuery } from './part-plan.tsx'
import { Lines } from './plan-pieces.tsx'
import styles from './recovery-page.module.css'
import { StartRecovery } from './start-recovery.tsx'
import { databaseCommand, targetQuery, targetText, type Target } from './target.ts'
import { Watch } from './watch.tsx'

interface DatabaseProps {
  readonly warehouse: string
  readonly target: Target | undefined
  /** The target once it has not changed for a moment: what the plan is asked for. */
  readonly settled: Target | undefined
}

export function Database({ warehouse, target, settled }: DatabaseProps) {
  const [typed, setTyped] = useState('')
  const [typedAs, setTypedAs] = useState('')
  const [database, as] = [typed.trim(), typedAs.trim()]
  const [planned] = useDebouncedValue(database, 600)
  const [plannedAs] = useDebouncedValue(as, 600)
  return (
    <>
      <Panel title="Which database, and as what">
        <div className={styles.command}>
          <TextInput
            size="sm"
            label="Database"
            placeholder="shop"
            description="As it was called at that moment"
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <TextInput
            size="sm"
            label="As a new database"
            placeholder={`${database === '' ? 'shop' : database}_recovered_…`}
            description="Its own name where there is none of that name any more"
            value={typedAs}
            onChange={(event) => setTypedAs(event.currentTarget.value)}
          />
        </div>
      </Panel>
      {settled && target && planned !== '' ? (
        <PartPlan warehouse={warehouse} target={settled} part={partOf(planned, plannedAs)} />
      ) : (
        <Panel title="Plan">
          <p className="dim">Choose a moment and name a database: then this shows what it takes.</p>
        </Panel>
      )}
      <DoIt warehouse={warehouse} target={target} database={database} as={as} />
    </>
  )
}

function partOf(database: string, as: string) {
  return { database, ...(as === '' ? {} : { as }) }
}

interface DoItProps {
  readonly warehouse: string
  readonly target: Target | undefined
  readonly database: string
  readonly as: string
}

function DoIt({ warehouse, target, database, as }: DoItProps) {
  const [run, setRun] = useState<{ id: string; predicted: Span | undefined } | undefined>()
  const client = useQueryClient()
  const part = partOf(database, as)
  return (
    <>
      <Panel title="Do it">
        {target && database !== '' ? (
          <>
            <CopyLine text={databaseCommand({ warehouse, target, database, as })} />
            <div className={styles.buttons}>
              <StartRecovery
                label="Recover the database"
                path="/api/recover/database"
                body={{ warehouse, ...targetQuery(target), ...part }}
                onStarted={(id) => {
                  const plan = client.getQueryData(partPlanQuery({ warehouse, target, part }).queryKey)
                  setRun({ id, predicted: plan?.time })
                }}
              >
                <p className={styles.what}>
                  Database <b>{database}</b> of {warehouse}
                  <br />
                  State: <b>{targetText(target)}</b>
                </p>
                <p>
                  It comes back as a new database{as === '' ? '' : ` ${as}`} beside the others. Nothing else changes.
                </p>
                <PartInShort warehouse={warehouse} target={target} part={part} />
              </StartRecovery>
            </div>
          </>
        ) : (
          <p className="dim">Choose a moment and name a database: then the command stands here.</p>
        )}
      </Panel>
      {run && (
        <Watch key={run.id} run={run.id} title="Under way" predicted={run.predicted}>
          {(result) => <Result result={result as DatabaseJson} />}
        </Watch>
      )}
    </>
  )
}

function Result({ result }: { readonly result: DatabaseJson }) {
  return (
    <>
      <p>
        {result.database} as of {result.target} is now <code>{result.place}</code>: {countText(result.tables)} tables,{' '}
        {countText(result.rows)} rows, in {formatDuration(result.durationMs)}.
      </p>
      <Lines lines={result.notes} />
    </>
  )
}
