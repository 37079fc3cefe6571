// All backups of all warehouses, with the time line of each warehouse above.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { backupsQuery, statusQuery } from '../api/queries.ts'
import type { BackupLine } from '../api/shapes.ts'
import { WarehouseTimeLine } from '../overview/warehouse-time-line.tsx'
import { Answer, Empty } from '../parts/conditions.tsx'
import { CopyLine } from '../parts/copy-line.tsx'
import { durationText, sizeText } from '../parts/figures.tsx'
import { StateMark } from '../parts/marks.tsx'
import { Shares } from '../parts/meter.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import table from '../parts/table.module.css'
import { Ago } from '../time/ago.tsx'
import { BackUpNow } from './back-up-now.tsx'

export function BackupsPage() {
  const status = useQuery(statusQuery)
  const query = useQuery(backupsQuery)
  const names = (status.data?.warehouses ?? []).map((one) => one.warehouse)
  return (
    <Page title="Backups" actions={names.length > 0 && <BackUpNow warehouses={names} />}>
      {names.map((one) => (
        <WarehouseTimeLine key={one} warehouse={one} title={`${one}: backups and recoverable window`} />
      ))}
      <Panel flush title="Backups">
        <Answer query={query} lines={6}>
          {(backups) => (backups.length === 0 ? <None warehouse={names[0]} /> : <Backups backups={backups} />)}
        </Answer>
      </Panel>
    </Page>
  )
}

function None({ warehouse }: { readonly warehouse: string | undefined }) {
  return (
    <div style={{ padding: '0 16px' }}>
      <Empty title="There is no backup yet">
        <CopyLine text={`wharf backup run ${warehouse ?? 'WAREHOUSE'}`} />
      </Empty>
    </div>
  )
}

function Backups({ backups }: { readonly backups: readonly BackupLine[] }) {
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Finished</th>
          <th scope="col">Kind</th>
          <th scope="col">Warehouse</th>
          <th scope="col">Repository</th>
          <th scope="col" className={table.number}>
            Size
          </th>
          <th scope="col">New of it</th>
          <th scope="col" className={table.number}>
            Stored
          </th>
          <th scope="col" className={table.number}>
            Took
          </th>
        </tr>
      </thead>
      <tbody>
        {backups.map((one) =>
          one.state === 'complete' ? <Complete key={one.id} backup={one} /> : <Incomplete key={one.id} backup={one} />,
        )}
      </tbody>
    </table>
  )
}

function Complete({ backup }: { readonly backup: Extract<BackupLine, { state: 'complete' }> }) {
  const shared = Math.max(0, backup.clusterBytes - backup.newBytes)
  return (
    <tr>
      <td data-span="4">
        <Link to="/backups/$warehouse/$backup" params={{ warehouse: backup.warehouse, backup: backup.id }}>
          <Ago at={backup.finishedAt} />
        </Link>
        {backup.corruptBlocks > 0 && <StateMark state="failed" />}
        <div className="faint mono">{backup.id}</div>
      </td>
      <td data-label="Kind">{backup.kind}</td>
      <td data-phone="no">{backup.warehouse}</td>
      <td data-phone="no">{backup.repository}</td>
      <td className={table.number} data-label="Size">
        {sizeText(backup.clusterBytes)}
      </td>
      <td data-label="New of it" style={{ width: 130 }}>
        <Shares
          total={backup.clusterBytes}
          parts={[
            { bytes: backup.newBytes, tone: 'new', title: `${sizeText(backup.newBytes)} new` },
            { bytes: shared, tone: 'shared', title: `${sizeText(shared)} shared with older backups` },
          ]}
        />
        <span className="faint">{sizeText(backup.newBytes)}</span>
      </td>
      <td className={table.number} data-label="Stored">
        {sizeText(backup.storedBytes)}
      </td>
      <td className={table.number} data-phone="no">
        {durationText(backup.durationMs)}
      </td>
    </tr>
  )
}

const incomplete = {
  running: { state: 'running', note: 'under way' },
  unfinished: { state: 'cancelled', note: 'never finished: nothing of it can be restored, and nothing else needs it' },
  damaged: { state: 'failed', note: 'damaged' },
} as const

function Incomplete({ backup }: { readonly backup: Exclude<BackupLine, { state: 'complete' }> }) {
  const { state, note } = incomplete[backup.state]
  return (
    <tr>
      <td data-span="4">
        <StateMark state={state} />
        <div className="faint mono">{backup.id}</div>
      </td>
      <td data-phone="no">{backup.state === 'damaged' ? '' : '—'}</td>
      <td data-phone="no">{backup.state === 'damaged' ? '' : backup.warehouse}</td>
      <td data-phone="no">{backup.repository}</td>
      <td colSpan={4} className="faint" data-span="4">
        {backup.state === 'damaged' ? `${note}: ${backup.problem}` : note}
      </td>
    </tr>
  )
}
