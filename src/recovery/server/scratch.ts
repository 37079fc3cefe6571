// Relations of tier `scratch` that a backup left out: their files are stubs of the right length, which replay may write into. Before anyone may connect
// every table that stands on a stub is emptied.
import { readFile } from 'node:fs/promises'

import { messageOf } from '../../base/errors.ts'
import type { Manifest, MappedRelation } from '../../repository/contract.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { connectTo, type PrivateServer, type PrivateSession, connectToAny } from './connect.ts'

/** Settings under which replay goes on over stubs. What it complains of is looked through afterwards. */
export const stubSettings: Readonly<Record<string, string>> = {
  ignore_invalid_pages: 'on',
  // The complaints are read: in this language, at this level.
  lc_messages: 'C',
  log_min_messages: 'warning',
}

const COMPLAINT = /page \d+ of relation (\S+) (?:is uninitialized|does not exist)/g

/** `base/5/16384_vm.1` → `base/5/16384`. */
function relationPath(path: string): string {
  return path.replace(/(?:_(?:fsm|vm|init))?(?:\.\d+)?$/, '')
}

/** Rejects with `recovery.invalid-pages` if replay missed pages of any relation that is not a stub. */
export async function checkComplaints(logFile: string, scratch: Manifest['scratch']): Promise<void> {
  const stubs = new Set(scratch.map((one) => relationPath(one.path)))
  const log = await readFile(logFile, 'utf8')
  const others = new Set<string>()
  for (const [, path] of log.matchAll(COMPLAINT)) if (!stubs.has(relationPath(path!))) others.add(path!)
  if (others.size > 0) throw errors.invalidPages({ relations: [...others].slice(0, 10), log: logFile })
}

export interface Emptied {
  /** `database.schema.name`, as they are called at the target. */
  readonly relations: readonly string[]
  /** Tables of databases that were copied after the backup, perhaps from one with stubs: nobody can tell, so they stay as they are. */
  readonly doubtful: readonly string[]
}

interface Found {
  readonly oid: string
  readonly kind: 'r' | 'm'
  readonly name: string
  readonly label: string
}

/** A table stands on a stub as long as any of its files, its indexes' or its TOAST's is still the one that was left out. */
const STANDING = `
  with owners as (select c.oid, c.relkind, c.reltoastrelid from pg_catalog.pg_class c where c.oid = any($1::oid[]) and c.relkind in ('r', 'm')),
  parts as (
    select oid as owner, oid as part from owners
    union all select oid, reltoastrelid from owners where reltoastrelid <> 0
    union all select o.oid, i.indexrelid from owners o join pg_catalog.pg_index i on i.indrelid in (o.oid, nullif(o.reltoastrelid, 0)))
  select o.oid::text, o.relkind as kind, format('%I.%I', n.nspname, c.relname) as name, format('%s.%s.%s', current_database(), n.nspname, c.relname) as label
    from owners o join pg_catalog.pg_class c on c.oid = o.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where exists (select from parts p where p.owner = o.oid and pg_catalog.pg_relation_filenode(p.part) = any($2::oid[]))
   order by o.oid`

export async function emptyScratch(
  server: PrivateServer,
  manifest: Pick<Manifest, 'scratch' | 'relations'>,
  signal: AbortSignal,
): Promise<Emptied> {
  const stands = standsOn(manifest)
  const relations: string[] = []
  const doubtful: string[] = []
  const known = new Set(manifest.relations.map((one) => one.databaseOid))
  for (const { name: database, oid } of await databasesOf(server)) {
    signal.throwIfAborted()
    const here = known.has(oid) ? stands.filter((one) => one.databaseOid === oid) : stands
    if (here.length === 0) continue
    await using session = await connectTo(server, database)
    const found = (
      await session.query<Found>(STANDING, [here.map((one) => one.owner), here.map((one) => one.relfilenode)])
    ).rows
    if (!known.has(oid)) doubtful.push(...found.map((one) => one.label))
    else if (found.length > 0) {
      await empty(session, { database, found })
      relations.push(...found.map((one) => one.label))
    }
  }
  return { relations, doubtful }
}

/** As if by their owners, but without triggers. */
async function empty(session: PrivateSession, of: { database: string; found: readonly Found[] }): Promise<void> {
  try {
    await session.query(
      "set session_replication_role = replica; set lock_timeout = '60s'; set default_transaction_read_only = off; set statement_timeout = 0",
    )
    const tables = of.found.filter((one) => one.kind === 'r').map((one) => `only ${one.name}`)
    if (tables.length > 0) await session.query(`truncate table ${tables.join(', ')}`)
    for (const { name } of of.found.filter((one) => one.kind === 'm'))
      await session.query(`refresh materialized view ${name} with no data`)
  } catch (error) {
    throw errors.scratchNotEmptied({ database: of.database, why: messageOf(error) }, { cause: error })
  }
}

async function databasesOf(server: PrivateServer): Promise<readonly { name: string; oid: number }[]> {
  await using session = await connectToAny(server)
  const result = await session.query<{ name: string; oid: string }>(
    'select datname as name, oid::text from pg_catalog.pg_database where datallowconn order by datname',
  )
  return result.rows.map((row) => ({ name: row.name, oid: Number(row.oid) }))
}

/** Where a relation's file is: `tablespace/database/relfilenode`. Undefined for shared catalogs, which nothing leaves out. */
export function keyOfPath(path: string): string | undefined {
  const match = /^(?:base|pg_tblspc\/(\d+)\/PG_[^/]+)\/(\d+)\/(\d+)/.exec(path)
  return match ? `${match[1] ?? '1663'}/${match[2]}/${match[3]}` : undefined
}

interface Stub {
  readonly databaseOid: number
  /** oid of the table that the file is of, or of whose index or TOAST it is. */
  readonly owner: number
  readonly relfilenode: number
}

function standsOn(manifest: Pick<Manifest, 'scratch' | 'relations'>): readonly Stub[] {
  const byId = new Map(manifest.relations.map((one) => [`${one.databaseOid}/${one.oid}`, one]))
  const left = new Set(manifest.scratch.map((one) => keyOfPath(one.path)))
  return manifest.relations.flatMap((one) => {
    const { tablespace, database, relfilenode } = one.file
    if (!left.has(`${tablespace}/${database}/${relfilenode}`)) return []
    let owner: MappedRelation | undefined = one
    while (owner?.belongsTo !== undefined) owner = byId.get(`${owner.databaseOid}/${owner.belongsTo}`)
    return owner === undefined ? [] : [{ databaseOid: one.databaseOid, owner: owner.oid, relfilenode }]
  })
}

/** Names of what comes back empty, for plans: `database.schema.name`, tables and materialised views. */
export function scratchNames(manifest: Pick<Manifest, 'scratch' | 'relations'>): readonly string[] {
  const owners = new Set(standsOn(manifest).map((one) => `${one.databaseOid}/${one.owner}`))
  return manifest.relations
    .filter((one) => owners.has(`${one.databaseOid}/${one.oid}`))
    .map((one) => `${one.database}.${one.schema}.${one.name}`)
    .sort()
}
