// backup_label and tablespace_map as pg_backup_stop() returns them.
import { errors } from './errors.ts'
import { parseLsn, type Lsn } from './lsn.ts'

/** What backup_label says. The text itself must be kept byte for byte: this is for reading only. */
export interface BackupLabel {
  readonly startLsn: Lsn
  readonly startSegment: string
  readonly checkpointLsn: Lsn
  readonly method: string
  readonly from: 'primary' | 'standby'
  readonly startTime: string
  readonly label: string
  readonly startTimeline: number
}

export function parseBackupLabel(text: string): BackupLabel {
  const fields = new Map<string, string>()
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2))
  }
  const field = (name: string): string => {
    const value = fields.get(name)
    if (value === undefined) throw errors.badLabel(`"${name}" is missing`)
    return value
  }
  const start = /^([0-9A-F]+\/[0-9A-F]+) \(file ([0-9A-F]{24})\)$/.exec(field('START WAL LOCATION'))
  if (!start) throw errors.badLabel(`"START WAL LOCATION" is "${field('START WAL LOCATION')}"`)
  const from = field('BACKUP FROM')
  if (from !== 'primary' && from !== 'standby') throw errors.badLabel(`"BACKUP FROM" is "${from}"`)
  const timeline = Number(field('START TIMELINE'))
  if (!Number.isInteger(timeline) || timeline < 1)
    throw errors.badLabel(`"START TIMELINE" is "${field('START TIMELINE')}"`)
  return {
    startLsn: parseLsn(start[1] ?? ''),
    startSegment: start[2] ?? '',
    checkpointLsn: parseLsn(field('CHECKPOINT LOCATION')),
    method: field('BACKUP METHOD'),
    from,
    startTime: field('START TIME'),
    label: field('LABEL'),
    startTimeline: timeline,
  }
}

/** One line of tablespace_map: where `pg_tblspc/<oid>` points. */
export interface TablespaceLink {
  readonly oid: number
  readonly path: string
}

/** PostgreSQL puts a backslash before newlines, carriage returns and backslashes in a path. */
export function parseTablespaceMap(text: string): readonly TablespaceLink[] {
  const lines: string[] = []
  let line = ''
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '\\' && at + 1 < text.length) line += text.charAt(++at)
    else if (char === '\n' || char === '\r') {
      if (line !== '') lines.push(line)
      line = ''
    } else line += char
  }
  if (line !== '') lines.push(line)
  return lines.map((one) => {
    const match = /^(\d+) (.+)$/s.exec(one)
    if (!match) throw errors.badTablespaceMap(one)
    return { oid: Number(match[1]), path: match[2] ?? '' }
  })
}

export function formatTablespaceMap(links: readonly TablespaceLink[]): string {
  return links.map((link) => `${link.oid} ${link.path.replaceAll(/[\n\r\\]/g, String.raw`\$&`)}\n`).join('')
}
