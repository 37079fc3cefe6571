// Builds a recovery plan: pick a moment, a load or a name; pick what; see what it would take and what would be lost; run it and watch, or take the command away.
import { SegmentedControl, Select, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useState } from 'react'

import { statusQuery } from '../api/queries.ts'
import { Answer, Empty } from '../parts/conditions.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { kinds, Picker, type Kind } from './picker.tsx'
import styles from './recovery-page.module.css'
import { Tables } from './tables.tsx'
import type { Target } from './target.ts'
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
] as const
type What = (typeof whats)[number]['value']

interface PlannerProps {
  readonly names: readonly string[]
  readonly search: { readonly warehouse?: string; readonly at?: string; readonly load?: string }
}

function Planner({ names, search }: PlannerProps) {
  const [warehouse, setWarehouse] = useState(search.warehouse ?? names[0]!)
  const [kind, setKind] = useState<Kind>(
    search.load === undefined ? (search.at === undefined ? 'latest' : 'time') : 'load',
  )
  const [atMs, setAtMs] = useState<number | undefined>(search.at === undefined ? undefined : Date.parse(search.at))
  const [load, setLoad] = useState(search.load ?? '')
  const [name, setName] = useState('')
  const [lsn, setLsn] = useState('')
  const [what, setWhat] = useState<What>('whole')
  const [table, setTable] = useState('')
  const target = targetOf({ kind, atMs, load, name, lsn })
  const [settled] = useDebouncedValue(target, 350)
  return (
    <>
      <Panel title="To which state">
        <div className={styles.choices}>
          {names.length > 1 && (
            <Select
              aria-label="Warehouse"
              size="xs"
              data={[...names]}
              value={warehouse}
              onChange={(value) => value && setWarehouse(value)}
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
        {kind === 'name' && (
          <TextInput
            size="sm"
            label="Restore point"
            description="As given to pg_create_restore_point()"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maw={420}
          />
        )}
        {kind === 'lsn' && (
          <TextInput
            size="sm"
            label="LSN"
            placeholder="0/3000060"
            value={lsn}
            onChange={(event) => setLsn(event.currentTarget.value)}
            maw={420}
          />
        )}
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
          onBefore={(position) => {
            setLsn(position)
            setKind('lsn')
          }}
        />
      )}
      {what === 'tables' ? (
        <Tables warehouse={warehouse} target={target} table={table} onTable={setTable} />
      ) : (
        <Whole key={warehouse} warehouse={warehouse} target={target} settled={settled} />
      )}
    </>
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
      return chosen.name === '' ? undefined : { kind: 'name', name: chosen.name }
  }
  return /^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(chosen.lsn) ? { kind: 'lsn', lsn: chosen.lsn } : undefined
}
