// "When did it happen?": the transactions that took rows from a table, each with the moment before it to go back to.
import { Button, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import type { RunAccepted } from '../../server/contract.ts'
import { post } from '../api/client.ts'
import { useOnce } from '../api/once.ts'
import { runQuery } from '../api/queries.ts'
import type { WhenJson } from '../api/shapes.ts'
import { Answer, Failed } from '../parts/conditions.tsx'
import { countText } from '../parts/figures.tsx'
import { Panel } from '../parts/panel.tsx'
import table from '../parts/table.module.css'
import { exactTimeAndUtc, momentOf } from '../time/times.ts'
import { Watch } from './watch.tsx'
import styles from './when.module.css'

interface WhenProps {
  readonly warehouse: string
  readonly table: string
  readonly onTable: (table: string) => void
  /** The moment before an event is to be the target. */
  readonly onBefore: (lsn: string) => void
  /** The LSN that is the target now. */
  readonly chosen: string | undefined
}

const since = '7d'

export function When({ warehouse, table, onTable, onBefore, chosen }: WhenProps) {
  const wish = { table: table.trim(), warehouse, since }
  const { once, next } = useOnce(wish)
  const [run, setRun] = useState<string | undefined>()
  const search = useMutation({
    mutationFn: () => post<RunAccepted>('/api/recover/when/table', wish, { once }),
    onSuccess: ({ runId }) => {
      next()
      setRun(runId)
    },
  })
  return (
    <Panel title="When did it happen?">
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          search.mutate()
        }}
      >
        <TextInput
          size="sm"
          label="Table"
          placeholder="sales.orders"
          description="Finds deletes, updates, truncation and drops of the last seven days in the WAL of the repository"
          value={table}
          onChange={(event) => onTable(event.currentTarget.value)}
        />
        <Button type="submit" size="sm" variant="default" disabled={table.trim() === ''} loading={search.isPending}>
          Look
        </Button>
      </form>
      {search.error && <Failed error={search.error} />}
      {run !== undefined && <Found key={run} run={run} onBefore={onBefore} chosen={chosen} />}
    </Panel>
  )
}

type Choice = Pick<WhenProps, 'onBefore' | 'chosen'>

function Found({ run: id, ...choice }: Choice & { readonly run: string }) {
  const query = useQuery(runQuery(id))
  return (
    <Answer query={query} lines={3}>
      {(run) =>
        run.state === 'succeeded' ? (
          <Events found={run.tasks.at(-1)!.result as WhenJson} {...choice} />
        ) : (
          <Watch run={id} title="Looking through WAL" />
        )
      }
    </Answer>
  )
}

function Events({ found, onBefore, chosen }: Choice & { readonly found: WhenJson }) {
  return (
    <>
      {found.events.length === 0 ? (
        <p className="dim">
          Nothing in the last seven days took or changed rows of {found.relation} in database {found.database}.
        </p>
      ) : (
        <table className={table.table}>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col" className={table.number}>
                Rows deleted
              </th>
              <th scope="col" className={table.number}>
                Updated
              </th>
              <th scope="col">Transaction</th>
              <th scope="col">
                <span className="visually-hidden">Go back to</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {found.events.map((event) => (
              <tr key={`${event.lsn}-${event.kind}-${event.detail}`}>
                <td data-span="4">{exactTimeAndUtc(momentOf(event.at))}</td>
                <td data-span="4">
                  {event.kind}
                  {event.detail !== '' && <span className="faint"> {event.detail}</span>}
                </td>
                <td className={table.number} data-label="Rows deleted">
                  {event.isAtLeast && event.rows.deleted > 0 ? '≥ ' : ''}
                  {countText(event.rows.deleted)}
                </td>
                <td className={table.number} data-label="Updated">
                  {countText(event.rows.updated)}
                </td>
                <td data-label="Transaction" data-span="2">
                  <code>{event.xid}</code>
                  {event.load !== undefined && <span className="faint"> load {event.load}</span>}
                </td>
                <td className={table.number} data-span="4">
                  {event.undo.length > 0 ? (
                    <Button
                      size="compact-xs"
                      variant={chosen === event.lsn ? 'light' : 'default'}
                      aria-pressed={chosen === event.lsn}
                      onClick={() => onBefore(event.lsn)}
                    >
                      Before it
                    </Button>
                  ) : (
                    <span className="faint">no backup leads there</span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {found.leftOut.events > 0 && (
        <p className="faint">{countText(found.leftOut.events)} smaller ones are left out.</p>
      )}
      {found.notes.map((note) => (
        <p key={note} className="faint">
          {note}
        </p>
      ))}
    </>
  )
}
