// What `recover when` shows: newest first, with the option that brings back the moment before.
import { shellQuoted } from '../../base/shell.ts'
import { formatTable } from '../../base/table.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { formatMoment } from '../target/time.ts'
import type { EventKind, RowCounts } from './event.ts'
import type { WhenFound } from './find.ts'

export interface WhenReport {
  readonly database: string
  readonly relation: string
  readonly timeline: number
  readonly backup: string
  readonly wal: {
    readonly from: string
    readonly to: string
    readonly bytes: number
    readonly readBytes: number
    readonly chunks: number
  }
  readonly events: readonly {
    readonly kind: EventKind
    readonly at: string
    readonly lsn: string
    readonly xid: number
    readonly load?: string
    readonly relations: readonly string[]
    readonly rows: Readonly<RowCounts>
    readonly isAtLeast: boolean
    readonly detail: string
    readonly undo: readonly string[]
  }[]
  readonly leftOut: { readonly events: number; readonly deleted: number; readonly updated: number }
  readonly notes: readonly string[]
}

type Found = WhenFound['events'][number]

export function reportOf(
  found: WhenFound,
  options: { readonly most: number; readonly timeline: number | undefined },
): WhenReport {
  const shown = new Set(mostImportant(found.events, options.most))
  const left = found.events.filter((one) => !shown.has(one))
  const suffix = options.timeline === undefined ? '' : ` --timeline ${options.timeline}`
  return {
    database: found.database,
    relation: found.relation,
    timeline: found.timeline,
    backup: found.backup.id,
    wal: { ...found.wal, from: formatLsn(found.wal.fromLsn), to: formatLsn(found.wal.toLsn) },
    events: found.events
      .filter((one) => shown.has(one))
      .toReversed()
      .map((one) => ({
        kind: one.kind,
        at: formatMoment(one.timeUs),
        lsn: formatLsn(one.startLsn),
        xid: one.xid,
        ...(one.load === undefined ? {} : { load: one.load }),
        relations: one.relations,
        rows: one.rows,
        isAtLeast: one.isAtLeast,
        detail: one.detail,
        // A moment that no backup leads to cannot be brought back.
        undo: one.startLsn < found.oldestBackup.stopLsn ? [] : undoOf(one).map((option) => option + suffix),
      })),
    leftOut: { events: left.length, deleted: sum(left, 'deleted'), updated: sum(left, 'updated') },
    notes: found.notes,
  }
}

/** The load where there is one, else the position, which is never ambiguous; the transaction's id may have come round. */
function undoOf(event: Found): readonly string[] {
  const load = event.load === undefined ? [] : [`--before-load ${word(event.load)}`]
  return [...load, `--lsn ${formatLsn(event.startLsn)}`, `--xid ${event.xid} --exclusive`]
}

/** What changed the table itself, then those with the most rows. */
function mostImportant(events: readonly Found[], most: number): readonly Found[] {
  const weight = (one: Found): number =>
    one.kind === 'delete' || one.kind === 'update' ? one.rows.deleted + one.rows.updated : Number.MAX_SAFE_INTEGER
  return [...events].sort((a, b) => weight(b) - weight(a)).slice(0, most)
}

function sum(events: readonly Found[], key: 'deleted' | 'updated'): number {
  return events.reduce((total, one) => total + (one.kind === 'delete' || one.kind === 'update' ? one.rows[key] : 0), 0)
}

const kindText: Readonly<Record<EventKind, string>> = {
  delete: 'deleted',
  update: 'updated',
  truncate: 'truncated',
  drop: 'dropped',
  detach: 'detached',
  rename: 'renamed',
  rewrite: 'rewritten',
  create: 'created',
  gone: 'gone',
}

export function reportText(report: WhenReport): string {
  const { events, leftOut } = report
  const title = `${report.database}.${report.relation} on timeline ${report.timeline}, newest first`
  const lines = [title, '']
  if (events.length === 0) lines.push('no transaction deleted, updated, truncated, dropped or rewrote anything of it')
  else
    lines.push(
      formatTable(
        [
          'TIME',
          'WHAT',
          { title: 'ROWS', right: true },
          'TABLE',
          { title: 'XID', right: true },
          'LOAD',
          'BRING BACK WITH',
        ],
        events.map((one) => [
          one.at,
          kindText[one.kind],
          rowsText(one),
          tableText(one.relations),
          String(one.xid),
          one.load ?? '',
          one.undo[0] ?? 'no backup leads there',
        ]),
      ),
      ...events.filter((one) => one.detail !== '').map((one) => `  ${one.xid} ${kindText[one.kind]}: ${one.detail}`),
    )
  if (leftOut.events > 0)
    lines.push(
      `${leftOut.events} smaller ones are left out, of ${leftOut.deleted} deleted and ${leftOut.updated} updated rows: --most shows more`,
    )
  const newest = events.find((one) => one.undo.length > 0)
  if (newest)
    lines.push('', `wharf recover table ${word(report.relation)} --database ${word(report.database)} ${newest.undo[0]}`)
  return [...lines, '', ...report.notes.map((note) => `note: ${note}`)].join('\n').trimEnd()
}

/** For a shell. */
function word(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : shellQuoted(text)
}

function rowsText({ kind, rows, isAtLeast }: WhenReport['events'][number]): string {
  if (kind !== 'delete' && kind !== 'update') return ''
  return `${isAtLeast ? '≥ ' : ''}${kind === 'delete' ? rows.deleted : rows.updated}`
}

function tableText(relations: readonly string[]): string {
  return relations.length === 1 ? relations[0]! : `${relations[0]} and ${relations.length - 1} more`
}
