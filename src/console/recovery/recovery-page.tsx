// Builds a recovery plan: pick a moment, a load or a name; see what it would take; take the command away.
import { SegmentedControl, Select, Switch, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useState } from 'react'

import type { Timeline } from '../../assurance/contract.ts'
import { statusQuery, timelineQuery } from '../api/queries.ts'
import { spanMs, SpanChoice, useSpan, type Span } from '../overview/warehouse-time-line.tsx'
import { Answer, Empty } from '../parts/conditions.tsx'
import { CopyLine } from '../parts/copy-line.tsx'
import { countText } from '../parts/figures.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import { now, useNow } from '../time/now.ts'
import { clockTime, dayTime, exactTime } from '../time/times.ts'
import { TimeLine } from '../timeline/time-line.tsx'
import { Plan } from './plan.tsx'
import styles from './recovery-page.module.css'
import { recoverCommand, type Target } from './target.ts'

const kinds = [
  { value: 'latest', label: 'Latest' },
  { value: 'time', label: 'A moment' },
  { value: 'load', label: 'Before a load' },
  { value: 'name', label: 'A name' },
  { value: 'lsn', label: 'An LSN' },
] as const
type Kind = (typeof kinds)[number]['value']

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
  const [into, setInto] = useState(`/var/tmp/${warehouse}-recovered`)
  const [start, setStart] = useState(true)
  const [settledInto] = useDebouncedValue(into, 350)
  const folder = settledInto.trim() === '' ? `/var/tmp/${warehouse}-recovered` : settledInto.trim()
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
      {settled && target ? (
        <Plan warehouse={warehouse} target={settled} into={folder} start={start} />
      ) : (
        <Panel title="Plan">
          <p className="dim">Choose what to recover to: then this shows what it takes and what would be lost.</p>
        </Panel>
      )}
      <Panel title="The command">
        <div className={styles.command}>
          <TextInput
            size="sm"
            label="Into an empty folder"
            placeholder="/srv/recovered"
            value={into}
            onChange={(event) => setInto(event.currentTarget.value)}
          />
          <Switch
            size="sm"
            label="Start it and verify"
            checked={start}
            onChange={(event) => setStart(event.currentTarget.checked)}
          />
        </div>
        {target ? (
          <CopyLine text={recoverCommand({ warehouse, target, into: folder, start })} />
        ) : (
          <p className="dim">It stands here once the target is chosen.</p>
        )}
        <p className={styles.note}>
          To be run on the machine that takes the copy. It works without this console and without the control database.
        </p>
      </Panel>
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

interface PickerProps {
  readonly warehouse: string
  readonly kind: Kind
  readonly atMs: number | undefined
  readonly load: string
  readonly onMoment: (epochMs: number) => void
  readonly onLoad: (load: string) => void
}

function Picker({ warehouse, kind, atMs, load, onMoment, onLoad }: PickerProps) {
  const [fitting, setSpan] = useSpan(warehouse)
  const [needed] = useState(() => spanFor(atMs))
  const span = spanMs(needed) > spanMs(fitting) ? needed : fitting
  const query = useQuery(timelineQuery(warehouse, span))
  const nowMs = useNow(5000)
  return (
    <Answer query={query} lines={4}>
      {(timeline) => (
        <>
          <div className={styles.lineHead}>
            <p className="dim">
              {kind === 'time' && atMs !== undefined
                ? exactTime(atMs)
                : 'Click a moment, or use the arrow keys on the line.'}
            </p>
            <SpanChoice value={span} onChange={setSpan} />
          </div>
          <TimeLine
            timeline={timeline}
            nowMs={nowMs}
            spanMs={spanMs(span)}
            picked={kind === 'time' ? atMs : undefined}
            onPick={onMoment}
          />
          {kind === 'time' && <MomentField atMs={atMs} onMoment={onMoment} />}
          {kind === 'load' && <LoadChoice timeline={timeline} load={load} onLoad={onLoad} />}
        </>
      )}
    </Answer>
  )
}

function spanFor(atMs: number | undefined): Span {
  const age = atMs === undefined ? 0 : now() - atMs
  return (['15m', '1h', '6h', '24h'] as const).find((one) => age < spanMs(one) * 0.95) ?? '7d'
}

function MomentField({
  atMs,
  onMoment,
}: {
  readonly atMs: number | undefined
  readonly onMoment: (epochMs: number) => void
}) {
  return (
    <TextInput
      type="datetime-local"
      step={1}
      size="sm"
      label="Exactly"
      description={`In the zone of this browser (${Intl.DateTimeFormat().resolvedOptions().timeZone})`}
      value={atMs === undefined ? '' : localText(atMs)}
      onChange={(event) => {
        const value = Date.parse(event.currentTarget.value)
        if (!Number.isNaN(value)) onMoment(value)
      }}
      maw={280}
      mt={8}
    />
  )
}

/** `2026-11-21T12:31:04` in the browser's zone. */
function localText(epochMs: number): string {
  const shifted = new Date(epochMs - new Date(epochMs).getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(0, 19)
}

function LoadChoice({
  timeline,
  load,
  onLoad,
}: {
  readonly timeline: Timeline
  readonly load: string
  readonly onLoad: (load: string) => void
}) {
  if (timeline.loads.length === 0) return <p className="dim">No load committed in this time: show more of it.</p>
  return (
    <Select
      size="sm"
      label="To just before this load"
      placeholder="Choose a load"
      searchable
      maw={560}
      mt={8}
      data={timeline.loads.map((one) => ({
        value: one.id,
        label: `${one.pipeline} · ${dayTime(Date.parse(one.committedAt))} ${clockTime(Date.parse(one.committedAt), true)} · ${countText(one.rows)} rows · ${one.id}`,
      }))}
      value={load === '' ? null : load}
      onChange={(value) => onLoad(value ?? '')}
    />
  )
}
