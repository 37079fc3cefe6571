// Recovery of tables through a sandbox: which, how; the plan; then compare, leave beside, swap in or merge.
import { SegmentedControl, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'

import type { Span, TablesJson } from '../api/shapes.ts'
import { CopyLine } from '../parts/copy-line.tsx'
import { Panel } from '../parts/panel.tsx'
import styles from './recovery-page.module.css'
import { PartInShort, PartPlan, partPlanQuery } from './part-plan.tsx'
import { OnlyAdmins, StartRecovery, useIsAdmin } from './start-recovery.tsx'
import { TablesResult } from './tables-result.tsx'
import { tableCommand, tableNames, targetQuery, targetText, type TableMode, type Target } from './target.ts'
import { Watch } from './watch.tsx'

const modes = [
  { value: 'beside', label: 'Beside the live one' },
  { value: 'merge', label: 'Merge what is missing' },
  { value: 'swap', label: 'In its place' },
] as const

const effects: Readonly<Record<TableMode, string>> = {
  beside: 'The rows come back in a new table beside the live one, which is not touched.',
  merge: 'Rows that are missing or changed in the live table are put back by their key, in one transaction.',
  swap: 'The recovered table takes the place of the live one in one transaction; the live one is kept under another name.',
}

interface TablesProps {
  readonly warehouse: string
  readonly target: Target | undefined
  /** The target once it has not changed for a moment: what the plan is asked for. */
  readonly settled: Target | undefined
  readonly table: string
  readonly onTable: (table: string) => void
}

export function Tables({ warehouse, target, settled, table, onTable }: TablesProps) {
  const [mode, setMode] = useState<TableMode>('beside')
  const [named] = useDebouncedValue(table, 600)
  const planned = tableNames(named)
  return (
    <>
      <Panel title="Which tables, and where to">
        <div className={styles.command}>
          <TextInput
            size="sm"
            label="Tables"
            placeholder="sales.orders"
            description="schema.table, several with a space between; a partitioned one brings its partitions"
            value={table}
            onChange={(event) => onTable(event.currentTarget.value)}
          />
          <div className={`${styles.scrolling} ${styles.beside}`}>
            <SegmentedControl
              size="xs"
              aria-label="Where the rows go"
              data={[...modes]}
              value={mode}
              onChange={(value) => setMode(value)}
            />
          </div>
        </div>
        <p className="dim">{effects[mode]}</p>
      </Panel>
      {settled && target && planned.length > 0 ? (
        <PartPlan warehouse={warehouse} target={settled} part={{ table: planned, mode }} />
      ) : (
        <Panel title="Plan">
          <p className="dim">Choose a moment and name a table: then this shows what it takes.</p>
        </Panel>
      )}
      <DoIt warehouse={warehouse} target={target} tables={tableNames(table)} mode={mode} />
    </>
  )
}

interface DoItProps {
  readonly warehouse: string
  readonly target: Target | undefined
  readonly tables: readonly string[]
  readonly mode: TableMode
}

interface Started {
  readonly id: string
  readonly title: string
  readonly predicted: Span | undefined
}

function DoIt({ warehouse, target, tables, mode }: DoItProps) {
  const [run, setRun] = useState<Started | undefined>()
  const client = useQueryClient()
  return (
    <>
      <Panel title="Do it">
        {target && tables.length > 0 ? (
          <>
            <CopyLine text={tableCommand({ warehouse, target, tables, mode })} />
            <Buttons
              {...{ warehouse, target, tables, mode }}
              onStarted={(id, title) => {
                const plan = client.getQueryData(
                  partPlanQuery({ warehouse, target, part: { table: tables, mode } }).queryKey,
                )
                setRun({ id, title, predicted: plan?.time })
              }}
            />
          </>
        ) : (
          <p className="dim">Choose a moment and name a table: then the command stands here.</p>
        )}
      </Panel>
      {run && (
        <Watch key={run.id} run={run.id} title={run.title} predicted={run.predicted}>
          {(result) => <TablesResult result={result as TablesJson} />}
        </Watch>
      )}
    </>
  )
}

interface ButtonsProps extends DoItProps {
  readonly target: Target
  readonly onStarted: (run: string, title: string) => void
}

function Buttons({ warehouse, target, tables, mode, onStarted }: ButtonsProps) {
  const mayStart = useIsAdmin()
  const body = { tables, warehouse, ...targetQuery(target) }
  if (!mayStart) return <OnlyAdmins />
  const what = (
    <p className={styles.what}>
      <b>{tables.join(', ')}</b> of {warehouse}
      <br />
      State: <b>{targetText(target)}</b>
    </p>
  )
  return (
    <div className={styles.buttons}>
      <StartRecovery
        label="Compare"
        path="/api/recover/table"
        body={{ ...body, diff: true }}
        onStarted={(id) => onStarted(id, 'What differs')}
      >
        {what}
        <p>The tables are recovered aside and compared with the live ones. Nothing is changed.</p>
      </StartRecovery>
      <StartRecovery
        label="Recover the tables"
        path="/api/recover/table"
        body={{ ...body, mode }}
        destroys={mode !== 'beside'}
        onStarted={(id) => onStarted(id, 'Under way')}
      >
        {what}
        <PartInShort warehouse={warehouse} target={target} part={{ table: tables, mode }} />
        <p>{effects[mode]}</p>
      </StartRecovery>
    </div>
  )
}
