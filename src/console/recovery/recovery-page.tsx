// Builds a recovery plan: pick a moment, a load or a name; pick what; see what it would take and what would be lost; run it and watch, or take the command away.
import { SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'

import { AccuracyPanel } from '../accuracy/accuracy-panel.tsx'
import { statusQuery } from '../api/queries.ts'
import { Answer, Empty } from '../parts/conditions.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { Database } from './database.tsx'
import { kinds, Picker, type Kind } from './picker.tsx'
import styles from './recovery-page.module.css'
import { Tables } from './tables.tsx'
import { isLsn, type Target } from './target.ts'
import { UnderWay } from './under-way.tsx'
import { When } from './when.tsx'
import { Whole } from './whole.tsx'

export function RecoveryPage() {
  const status = useQuery(statusQuery)
  const search = useSearch({ from: '/inside/recovery' })
  return (
    <Page title="Plan a recovery">
      <Answer query={status}>
        {({ warehouses }) =>
          warehouses.length === 0 ? (
            <Panel>
              <Empty title="No warehouse is declared yet" />
            </Panel>
          ) : (
            <Planner names={warehouses.map((one) => one.warehouse)} search={search} />
          )
        }
      </Answer>
    </Page>
  )
}

const whats = [
  { value: 'whole', label: 'The whole warehouse' },
  { value: 'tables', label: 'Tables' },
  { value: 'database', label: 'A database' },
] as const
type What = (typeof whats)[number]['value']

interface PlannerProps {
  readonly names: readonly string[]
  readonly search: { readonly warehouse?: string; readonly at?: string; readonly load?: string }
}

function Planner({ names, search }: PlannerProps) {
  const [warehouse, setWarehouse] = useState(names.find((one) => one === search.warehouse) ?? names[0]!)
  const asked = Date.parse(search.at ?? '')
  const [atMs, setAtMs] = useState<number | undefined>(Number.isNaN(asked) ? undefined : asked)
  const [kind, setKind] = useState<Kind>(search.load === undefined ? (atMs === undefined ? 'latest' : 'time') : 'load')
  const [load, setLoad] = useState(search.load ?? '')
  const [name, setName] = useState('')
  const [lsn, setLsn] = useState('')
  const [what, setWhat] = useState<What>('whole')
  const [table, setTable] = useState('')
  // The same object as long as it says the same: what is debounced would never come to rest.
  const target = useMemo(() => targetOf({ kind, atMs, load, name, lsn }), [kind, atMs, load, name, lsn])
  const [settled] = useDebouncedValue(target, 350)
  return (
    <>
      <UnderWay />
      <Panel title="To which state">
        <div className={styles.choices}>
          {names.length > 1 && (
            <Select
              aria-label="Warehouse"
              size="xs"
              data={[...names]}
              value={warehouse}
              onChange={(value) => {
                setWarehouse(value ?? warehouse)
                // Loads and positions are those of one warehouse.
                setLoad('')
                setLsn('')
              }}
              allowDeselect={false}
              w={170}
            />
          )}
          <div className={styles.scrolling}>
            <SegmentedControl
              size="xs"
              aria-label="Kind of target"
              data={[...kinds]}
              value={kind}
              onChange={(value) => setKind(value)}
            />
          </div>
        </div>
        <Picker
          warehouse={warehouse}
          kind={kind}
          atMs={atMs}
          load={load}
          onMoment={(moment) => {
            setAtMs(moment)
            setKind('time')
          }}
          onLoad={setLoad}
        />
        <ExactFields kind={kind} name={name} onName={setName} lsn={lsn} onLsn={setLsn} />
      </Panel>
      <Panel title="What">
        <SegmentedControl
          size="xs"
          aria-label="What is recovered"
          data={[...whats]}
          value={what}
          onChange={(value) => setWhat(value)}
        />
      </Panel>
      {what === 'tables' && (
        <When
          warehouse={warehouse}
          table={table}
          onTable={setTable}
          chosen={target?.kind === 'lsn' ? target.lsn : undefined}
          onBefore={(position) => {
            setLsn(position)
            setKind('lsn')
          }}
        />
      )}
      {what === 'tables' ? (
        <Tables
          key={warehouse}
          warehouse={warehouse}
          target={target}
          settled={settled}
          table={table}
          onTable={setTable}
        />
      ) : what === 'database' ? (
        <Database key={warehouse} warehouse={warehouse} target={target} settled={settled} />
      ) : (
        <Whole key={warehouse} warehouse={warehouse} target={target} settled={settled} />
      )}
      <AccuracyPanel warehouse={warehouse} />
    </>
  )
}

interface ExactProps {
  readonly kind: Kind
  readonly name: string
  readonly onName: (name: string) => void
  readonly lsn: string
  readonly onLsn: (lsn: string) => void
}

function ExactFields({ kind, name, onName, lsn, onLsn }: ExactProps) {
  if (kind === 'name')
    return (
      <TextInput
        size="sm"
        label="Restore point"
        description="As given to pg_create_restore_point()"
        value={name}
        onChange={(event) => onName(event.currentTarget.value)}
        maw={420}
      />
    )
  if (kind !== 'lsn') return null
  const isWrong = lsn.trim() !== '' && !isLsn(lsn.trim())
  return (
    <TextInput
      size="sm"
      label="LSN"
      placeholder="0/3000060"
      description="Everything before this position of WAL"
      error={isWrong ? 'Two hexadecimal numbers with a slash between: 0/3000060' : undefined}
      value={lsn}
      onChange={(event) => onLsn(event.currentTarget.value)}
      maw={420}
    />
  )
}

function targetOf(chosen: {
  kind: Kind
  atMs: number | undefined
  load: string
  name: string
  lsn: string
}): Target | undefined {
  switch (chosen.kind) {
    case 'latest':
      return { kind: 'latest' }
    case 'time':
      return chosen.atMs === undefined ? undefined : { kind: 'time', atMs: chosen.atMs }
    case 'load':
      return chosen.load === '' ? undefined : { kind: 'load', load: chosen.load }
    case 'name':
      return chosen.name.trim() === '' ? undefined : { kind: 'name', name: chosen.name.trim() }
  }
  return isLsn(chosen.lsn.trim()) ? { kind: 'lsn', lsn: chosen.lsn.trim() } : undefined
}
