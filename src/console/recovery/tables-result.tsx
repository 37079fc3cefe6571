// What a recovery of tables has brought, and how the live tables differ from what they were.
import { formatDuration, formatSize } from '../../base/units.ts'
import type { RecoveredTableJson, TablesJson } from '../api/shapes.ts'
import { countText } from '../parts/figures.tsx'
import table from '../parts/table.module.css'
import styles from './watch.module.css'

const outcomes: Readonly<Record<RecoveredTableJson['outcome'], string>> = {
  beside: 'left beside',
  swapped: 'in place',
  merged: 'merged',
  returned: 'back under its name',
  compared: 'only compared',
}

export function TablesResult({ result }: { readonly result: TablesJson }) {
  return (
    <>
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Table</th>
            <th scope="col" className={table.number}>
              Rows then
            </th>
            <th scope="col" className={table.number}>
              Now
            </th>
            <th scope="col" className={table.number}>
              Missing now
            </th>
            <th scope="col" className={table.number}>
              Changed
            </th>
            <th scope="col" className={table.number}>
              New since
            </th>
            <th scope="col">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {result.tables.map((one) => (
            <Recovered key={one.table} one={one} />
          ))}
        </tbody>
      </table>
      <ul className={styles.next}>
        {result.tables.flatMap(detailsOf).map((line) => (
          <li key={line}>{line}</li>
        ))}
        {result.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      <p className="faint">
        Database {result.database}, from backup {result.backup} to {result.target} ({result.lsn}):{' '}
        {formatSize(result.fetchedBytes)} read, {formatSize(result.copiedBytes)} of rows copied, in{' '}
        {formatDuration(result.durationMs)}.
      </p>
    </>
  )
}

function Recovered({ one }: { readonly one: RecoveredTableJson }) {
  const { diff, merged } = one
  return (
    <tr>
      <td data-span="4">
        <b>{one.table}</b>
        {one.partitions > 0 && <span className="faint"> {countText(one.partitions)} partitions</span>}
      </td>
      <td className={table.number} data-label="Rows then">
        {countText(diff?.rowsThen ?? one.rows)}
      </td>
      <td className={table.number} data-label="Now">
        {countText(diff?.rowsNow)}
      </td>
      <td className={table.number} data-label="Missing now">
        {countText(diff?.missing)}
      </td>
      <td className={table.number} data-label="Changed">
        {countText(diff?.changed)}
      </td>
      <td className={table.number} data-label="New since">
        {countText(diff?.extra)}
      </td>
      <td data-span="4">
        {outcomes[one.outcome]}
        {one.place !== undefined && (
          <>
            : <code>{one.place}</code>
          </>
        )}
        {merged && (
          <span className="faint">
            {' '}
            {countText(merged.inserted)} rows inserted, {countText(merged.restored)} restored
          </span>
        )}
        {one.keptAs !== undefined && (
          <div className="faint">
            the one before: <code>{one.keptAs}</code>
          </div>
        )}
      </td>
    </tr>
  )
}

/** Some keys of what differs, and columns that could not be compared. */
function detailsOf({ table: name, diff }: RecoveredTableJson): readonly string[] {
  if (diff === undefined) return []
  const { key, samples, columns } = diff
  const some = (what: string, keys: readonly string[]) =>
    keys.length === 0 ? undefined : `${name}, ${what}: ${key?.join(', ') ?? 'row'} ${keys.join(' | ')}`
  const other = (what: string, names: readonly string[]) =>
    names.length === 0 ? undefined : `${name}, ${what}: ${names.join(', ')}`
  return [
    key === undefined ? `${name} has no primary key: whole rows were compared` : undefined,
    some('missing now, for example', samples.missing),
    some('changed, for example', samples.changed),
    some('new since, for example', samples.extra),
    other('columns that are gone', columns.onlyThen),
    other('columns that are new', columns.onlyNow),
    other('columns of another type now', columns.otherType),
  ].filter((one) => one !== undefined)
}
