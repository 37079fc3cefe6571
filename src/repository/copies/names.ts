// Names of copies of unlogged tables: copies/<warehouse>/<id>/<number of the table>, and copies/<warehouse>/<id>/head last.
export const COPIES_PREFIX = 'copies/'

const NAME = /^copies\/([A-Za-z0-9_-]+)\/([A-Za-z0-9._-]+)\/(head|\d{6})$/

export interface CopyName {
  readonly warehouse: string
  readonly id: string
  /** Undefined for the head. */
  readonly table: number | undefined
}

export function copyHeadName(warehouse: string, id: string): string {
  return `${COPIES_PREFIX}${warehouse}/${id}/head`
}

export function copyTableName(warehouse: string, id: string, table: number): string {
  return `${COPIES_PREFIX}${warehouse}/${id}/${String(table).padStart(6, '0')}`
}

export function parseCopyName(name: string): CopyName | undefined {
  const match = NAME.exec(name)
  if (!match) return undefined
  return { warehouse: match[1]!, id: match[2]!, table: match[3] === 'head' ? undefined : Number(match[3]) }
}
