// All warehouses in a table.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import type { WarehouseStatus } from '../../assurance/contract.ts'
import { statusQuery } from '../api/queries.ts'
import { Answer, Empty } from '../parts/conditions.tsx'
import { CopyLine } from '../parts/copy-line.tsx'
import { durationText, sizeText } from '../parts/figures.tsx'
import { VerdictMark } from '../parts/marks.tsx'
import { Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import table from '../parts/table.module.css'
import { Ago } from '../time/ago.tsx'

export function WarehousesPage() {
  const query = useQuery(statusQuery)
  return (
    <Page title="Warehouses">
      <Panel flush label="Warehouses">
        <Answer query={query} lines={4}>
          {({ warehouses }) => (warehouses.length === 0 ? <None /> : <List warehouses={warehouses} />)}
        </Answer>
      </Panel>
    </Page>
  )
}

function None() {
  return (
    <div style={{ padding: '0 16px' }}>
      <Empty title="No warehouse is declared yet">
        <CopyLine text="wharf warehouse add postgresql://user@host/database" />
      </Empty>
    </div>
  )
}

function List({ warehouses }: { readonly warehouses: readonly WarehouseStatus[] }) {
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Warehouse</th>
          <th scope="col">Verdict</th>
          <th scope="col" className={table.number}>
            Lost now
          </th>
          <th scope="col" className={table.number}>
            Back in
          </th>
          <th scope="col" className={table.number}>
            Size
          </th>
          <th scope="col">Last backup</th>
          <th scope="col">Last proven</th>
        </tr>
      </thead>
      <tbody>
        {warehouses.map((one) => (
          <tr key={one.warehouse}>
            <td data-span="2">
              <Link to="/warehouses/$warehouse" params={{ warehouse: one.warehouse }}>
                {one.warehouse}
              </Link>
            </td>
            <td data-span="2">
              <VerdictMark verdict={one.verdict} />
            </td>
            <td data-span="2" data-label="Lost now" className={table.number}>
              {one.rpo.basis === 'everything' ? 'everything' : durationText(one.rpo.ms)}
            </td>
            <td data-span="2" data-label="Back in" className={table.number}>
              {durationText(one.rto?.expectedMs)}
            </td>
            <td data-phone="no" className={table.number}>
              {sizeText(one.lastBackup?.clusterBytes)}
            </td>
            <td data-span="2" data-label="Last backup">
              <Ago at={one.lastBackup?.finishedAt} />
            </td>
            <td data-span="2" data-label="Last proven">
              <Ago at={one.lastProof?.at} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
