// Recovery of tables through a sandbox: compare, then leave beside, swap in or merge.
import { SegmentedControl, TextInput } from '@mantine/core'
import { useState } from 'react'

import { CopyLine } from '../parts/copy-line.tsx'
import { Panel } from '../parts/panel.tsx'
import styles from './recovery-page.module.css'
import { StartRecovery } from './start-recovery.tsx'
import { tableCommand, targetQuery, type TableMode, type Target } from './target.ts'
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
  readonly table: string
  readonly onTable: (table: string) => void
}

export function Tables({ warehouse, target, table, onTable }: TablesProps) {
  const [mode, setMode] = useState<TableMode>('beside')
  const [run, setRun] = useState<{ id: string; title: string } | undefined>()
  const tables = table.split(/[\s,]+/).filter((one) => one !== '')
  const ready = target !== undefined && tables.length > 0
  const body = { tables, warehouse, ...(target ? targetQuery(target) : {}) }
  return (
    <>
      <Panel title="Do it">
        <div className={styles.command}>
          <TextInput
            size="sm"
            label="Tables"
            placeholder="sales.orders"
            description="schema.table, several with a space between; a partitioned one brings its partitions"
            value={table}
            onChange={(event) => onTable(event.currentTarget.value)}
          />
          <SegmentedControl
            size="xs"
            aria-label="Where the rows go"
            data={[...modes]}
            value={mode}
            onChange={(value) => setMode(value)}
          />
        </div>
        <p className="dim">{effects[mode]}</p>
        {ready ? (
          <>
            <CopyLine text={tableCommand({ warehouse, target, tables, mode })} />
            <div className={styles.buttons}>
              <StartRecovery
                label="Compare"
                path="/api/recover/table"
                body={{ ...body, diff: true }}
                onStarted={(id) => setRun({ id, title: 'What differs' })}
              >
                <p>The tables are recovered aside and compared with the live ones. Nothing is changed.</p>
              </StartRecovery>
              <StartRecovery
                label="Recover the tables"
                path="/api/recover/table"
                body={{ ...body, mode }}
                destroys={mode !== 'beside'}
                onStarted={(id) => setRun({ id, title: 'Under way' })}
              >
                <p>{effects[mode]}</p>
              </StartRecovery>
            </div>
          </>
        ) : (
          <p className="dim">Choose a moment and name a table: then the command stands here.</p>
        )}
      </Panel>
      {run && <Watch key={run.id} run={run.id} title={run.title} />}
    </>
  )
}
