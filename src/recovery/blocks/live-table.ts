// What a running server says of the relation that a block is of, and of the table whose lock keeps everybody away from it.
import type { Session } from '../../warehouse/contract.ts'
import type { WantedBlock } from './wanted.ts'

export interface LiveRelation {
  readonly oid: string
  /** `schema.name`, quoted where needed. */
  readonly name: string
  readonly kind: string
  readonly persistence: string
  /** Relative to the data directory. */
  readonly path: string | null
  /** The table whose lock covers it: itself, that of the index, that of the TOAST table or of its index. */
  readonly table: string
  readonly tableOid: string
  readonly tableKind: string
  /** A TOAST table or its index. */
  readonly isToast: boolean
}

const FACTS = `
  select c.oid::text, format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind, c.relpersistence as persistence,
         pg_catalog.pg_relation_filepath(c.oid) as path,
         format('%I.%I', tn.nspname, t.relname) as table, t.oid::text as "tableOid", t.relkind as "tableKind",
         own.oid is not null as "isToast"
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_index i on i.indexrelid = c.oid
    left join pg_catalog.pg_class own on own.reltoastrelid = coalesce(i.indrelid, c.oid) and own.reltoastrelid <> 0
    join pg_catalog.pg_class t on t.oid = coalesce(own.oid, i.indrelid, c.oid)
    join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace`

export async function relationByName(
  session: Session,
  of: { readonly schema: string; readonly name: string },
): Promise<LiveRelation | undefined> {
  const rows = await session.query<LiveRelation>(`${FACTS} where n.nspname = $1 and c.relname = $2`, [
    of.schema,
    of.name,
  ])
  return rows[0]
}

export async function relationByFile(session: Session, file: WantedBlock['file']): Promise<LiveRelation | undefined> {
  const rows = await session.query<LiveRelation>(
    `${FACTS} where c.oid = pg_catalog.pg_filenode_relation($1::oid, $2::oid)`,
    [file.tablespace, file.relfilenode],
  )
  return rows[0]
}

/** Smallest oid of what users make (FirstNormalObjectId). */
const FIRST_USER_OID = 16_384n

/** Why a block of the relation is not healed while the server runs; undefined where it may be. */
export function refusalOnline(found: LiveRelation): string | undefined {
  if (BigInt(found.oid) < FIRST_USER_OID || BigInt(found.tableOid) < FIRST_USER_OID)
    return `${found.name} is a system catalog: it is healed with the server stopped only`
  if (found.persistence !== 'p') return `${found.name} is not logged: no WAL tells what the block should be`
  if (found.tableKind !== 'r')
    return `${found.table} cannot be locked as a table can: it is healed with the server stopped only`
  return undefined
}
