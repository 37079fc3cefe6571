// One backup: what is in it, what it cost, what it does not protect.
import { Button } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'

import { backupQuery } from '../api/queries.ts'
import type { BackupJson } from '../api/shapes.ts'
import { Answer } from '../parts/conditions.tsx'
import { countText, durationText, Fact, Facts, Figure, KeyFigure, sizeText } from '../parts/figures.tsx'
import { Sign } from '../parts/marks.tsx'
import { Shares } from '../parts/meter.tsx'
import { Halves, Page } from '../parts/page.tsx'
import { Panel } from '../parts/panel.tsx'
import table from '../parts/table.module.css'
import { Ago } from '../time/ago.tsx'
import styles from './backup-page.module.css'

export function BackupPage() {
  const { backup: id, warehouse } = useParams({ from: '/inside/backups/$warehouse/$backup' })
  const query = useQuery(backupQuery(id))
  const navigate = useNavigate()
  const plan = (backup: BackupJson) => navigate({ to: '/recovery', search: { warehouse, at: backup.finishedAt } })
  return (
    <Page
      title={
        query.data
          ? `${query.data.kind.charAt(0).toUpperCase()}${query.data.kind.slice(1)} backup of ${warehouse}`
          : `Backup of ${warehouse}`
      }
      crumb={<Link to="/backups">Backups</Link>}
      actions={
        query.data && (
          <Button size="xs" variant="default" onClick={() => void plan(query.data)}>
            Plan a recovery from here
          </Button>
        )
      }
    >
      <Answer query={query} lines={8}>
        {(backup) => <Backup backup={backup} />}
      </Answer>
    </Page>
  )
}

function Backup({ backup }: { readonly backup: BackupJson }) {
  return (
    <>
      <Panel label="Sizes">
        <dl className={styles.figures}>
          <KeyFigure
            label="Size of the warehouse"
            note={`${countText(backup.files)} files, ${countText(backup.relations)} relations`}
          >
            <Figure text={sizeText(backup.clusterBytes)} />
          </KeyFigure>
          <KeyFigure label="Read" note={`in ${durationText(backup.durationMs)}`}>
            <Figure text={sizeText(backup.readBytes)} />
          </KeyFigure>
          <KeyFigure label="New" note={`${sizeText(backup.storedBytes)} as stored`}>
            <Figure text={sizeText(backup.newBytes)} />
          </KeyFigure>
          <KeyFigure label="Shared" note="with older backups, not read again">
            <Figure text={sizeText(backup.sharedBytes)} />
          </KeyFigure>
        </dl>
        <Shares
          total={backup.newBytes + backup.sharedBytes}
          parts={[
            { bytes: backup.newBytes, tone: 'new', title: `${sizeText(backup.newBytes)} new` },
            { bytes: backup.sharedBytes, tone: 'shared', title: `${sizeText(backup.sharedBytes)} shared` },
          ]}
        />
      </Panel>
      <Halves>
        <Panel title="Facts">
          <Facts>
            <Fact label="Finished">
              <Ago at={backup.finishedAt} />
            </Fact>
            <Fact label="Took">{durationText(backup.durationMs)}</Fact>
            <Fact label="Repository">{backup.repository}</Fact>
            <Fact label="Id">
              <code>{backup.id}</code>
            </Fact>
            <Fact label="Parent">{backup.parent === undefined ? 'none' : <code>{backup.parent}</code>}</Fact>
            <Fact label="WAL needed" title="All WAL of this range is in the repository">
              <code>
                {backup.startLsn} – {backup.stopLsn}
              </code>
            </Fact>
            <Fact label="Timeline">{backup.timeline}</Fact>
            <Fact label="PostgreSQL">{versionText(backup.postgresVersion)}</Fact>
            <Fact label="Data checksums">
              {backup.dataChecksums ? 'on: every page was checked' : 'off: pages could not be checked'}
            </Fact>
          </Facts>
        </Panel>
        <div className={styles.column}>
          <Corrupt backup={backup} />
          <Unlogged backup={backup} />
          {backup.notes.length > 0 && (
            <Panel title="Notes">
              {backup.notes.map((note) => (
                <p key={note}>{note}</p>
              ))}
            </Panel>
          )}
        </div>
      </Halves>
    </>
  )
}

/** 180004 → `18.4`. */
function versionText(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`
}

function Corrupt({ backup }: { readonly backup: BackupJson }) {
  if (backup.corrupt.length === 0) {
    return (
      <Panel title="Corrupt blocks">
        <p>
          <Sign tone="good" /> None.{' '}
          {backup.dataChecksums ? 'Every page that was read passed its checksum.' : 'Page headers were checked.'}
        </p>
      </Panel>
    )
  }
  return (
    <Panel title={`Corrupt blocks (${backup.corrupt.length})`} flush>
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Relation</th>
            <th scope="col">File</th>
            <th scope="col" className={table.number}>
              Block
            </th>
            <th scope="col">Reason</th>
          </tr>
        </thead>
        <tbody>
          {backup.corrupt.map((one) => (
            <tr key={`${one.file}-${one.block}`}>
              <td data-span="2" data-label="Relation">
                {one.relation ?? '—'}
              </td>
              <td data-span="2" data-label="File">
                <code>{one.file}</code>
              </td>
              <td data-label="Block" className={table.number}>
                {one.block}
              </td>
              <td data-label="Reason">{one.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  )
}

function Unlogged({ backup }: { readonly backup: BackupJson }) {
  if (backup.unlogged.length === 0) {
    return (
      <Panel title="Not protected">
        <p>
          <Sign tone="good" /> Nothing: there were no unlogged relations.
        </p>
      </Panel>
    )
  }
  return (
    <Panel title="Not protected: unlogged relations come back empty">
      <Facts>
        {backup.unlogged.map((one) => (
          <Fact
            key={`${one.database}.${one.relation}`}
            label={one.database === undefined ? one.relation : `${one.database}: ${one.relation}`}
          >
            {sizeText(one.bytes)}
          </Fact>
        ))}
      </Facts>
    </Panel>
  )
}
