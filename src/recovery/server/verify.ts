// Proof that a recovered cluster is whole: every database opens, amcheck finds nothing, every page has its checksum.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { messageOf } from '../../base/errors.ts'
import { BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { VerifyTask } from '../restore/messages.ts'
import { RestorePool } from '../restore/pool.ts'
import { connectTo, type PrivateServer, connectToAny } from './connect.ts'

export interface ConnectionProof {
  readonly databases: readonly string[]
  readonly indexesChecked: number
  readonly tablesChecked: number
  /** Databases in which amcheck could not be made. */
  readonly withoutAmcheck: readonly string[]
  /** Collations whose library is of another version here: indexes that were built with them may sort otherwise (pitfall 54). */
  readonly collations: readonly string[]
}

export interface VerifyOptions {
  readonly amcheck: boolean
  /** Default: all that allow connections. */
  readonly databases?: readonly string[] | undefined
  /** Whether a relation's files are stubs, which prove nothing: by database and filenode. Default: none. */
  readonly leftOut?: ((databaseOid: number, filenode: number) => boolean) | undefined
  readonly signal: AbortSignal
}

/** Opens every database that allows connections; with `amcheck` runs its functions on all tables and B-tree (18: GIN) indexes. */
export async function verifyByConnections(server: PrivateServer, options: VerifyOptions): Promise<ConnectionProof> {
  const databases = options.databases ?? (await databasesOf(server))
  const findings: string[] = []
  const withoutAmcheck: string[] = []
  const collations: string[] = []
  let [indexesChecked, tablesChecked] = [0, 0]
  for (const database of databases) {
    options.signal.throwIfAborted()
    const proof = await verifyDatabase(server, database, options)
    findings.push(...proof.findings)
    collations.push(...proof.collations.map((one) => `${database}: ${one}`))
    if (!proof.hasAmcheck) withoutAmcheck.push(database)
    indexesChecked += proof.indexes
    tablesChecked += proof.tables
  }
  if (findings.length > 0) throw errors.verifyFailed({ count: findings.length, findings: findings.slice(0, 10) })
  return { databases, indexesChecked, tablesChecked, withoutAmcheck: options.amcheck ? withoutAmcheck : [], collations }
}

async function databasesOf(server: PrivateServer): Promise<readonly string[]> {
  await using session = await connectToAny(server)
  const result = await session.query<{ name: string }>(
    'SELECT datname AS name FROM pg_catalog.pg_database WHERE datallowconn ORDER BY datname',
  )
  return result.rows.map((row) => row.name)
}

/** Of the database itself, and of those that its own tables and indexes use. */
const COLLATIONS = `
  SELECT 'its default collation' AS name, datcollversion AS stored, pg_database_collation_actual_version(oid) AS actual
    FROM pg_catalog.pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 'collation ' || quote_ident(collname), collversion, pg_collation_actual_version(oid) FROM pg_catalog.pg_collation c
   WHERE EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attcollation = c.oid AND a.attrelid >= 16384)`

async function movedCollations(session: Session): Promise<readonly string[]> {
  const { rows } = await session.query<{ name: string; stored: string; actual: string | null }>(
    `SELECT * FROM (${COLLATIONS}) c WHERE stored IS NOT NULL AND stored IS DISTINCT FROM actual ORDER BY name`,
  )
  return rows.map(
    ({ name, stored, actual }) =>
      `${name} was of version ${stored} when it was backed up, here it is ${actual ?? 'unknown'}`,
  )
}

interface DatabaseProof {
  readonly findings: readonly string[]
  readonly collations: readonly string[]
  readonly hasAmcheck: boolean
  readonly indexes: number
  readonly tables: number
}

async function verifyDatabase(server: PrivateServer, database: string, options: VerifyOptions): Promise<DatabaseProof> {
  await using session = await connectTo(server, database).catch((error: unknown) => {
    throw errors.cannotConnect({ database, why: messageOf(error) }, { cause: error })
  })
  try {
    // Reads the catalogs through their indexes: a database whose catalogs are broken fails here.
    await session.query(
      "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r'",
    )
  } catch (error) {
    throw errors.cannotConnect({ database, why: messageOf(error) }, { cause: error })
  }
  const collations = await movedCollations(session)
  if (!options.amcheck) return { findings: [], collations, hasAmcheck: true, indexes: 0, tables: 0 }
  // The extension is made in a transaction that is rolled back: the recovered cluster stays as it was.
  await session.query('BEGIN')
  const made = await makeAmcheck(session)
  if (made === undefined) {
    await session.query('ROLLBACK')
    return { findings: [], collations, hasAmcheck: false, indexes: 0, tables: 0 }
  }
  const findings: string[] = []
  const parts = { session, database, schema: made, findings, leftOut: options.leftOut, signal: options.signal }
  const indexes = await checkIndexes(parts)
  const tables = await checkTables(parts)
  await session.query('ROLLBACK')
  return { findings, collations, hasAmcheck: true, indexes, tables }
}

type Session = Awaited<ReturnType<typeof connectTo>>
interface CheckParts {
  readonly session: Session
  readonly database: string
  readonly schema: string
  readonly findings: string[]
  readonly leftOut: VerifyOptions['leftOut']
  readonly signal: AbortSignal
}

/** What stands on its own files, of rows that say where they lie. */
export function whatIsThere<Row extends { readonly db: string; readonly filenode: string | null }>(
  rows: readonly Row[],
  leftOut: VerifyOptions['leftOut'],
): readonly Row[] {
  return leftOut ? rows.filter((row) => !leftOut(Number(row.db), Number(row.filenode))) : rows
}

/** Columns for whatIsThere(), of a `c` that is pg_class. */
export const PLACE_COLUMNS = `(SELECT d.oid::int8::text FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AS db,
            pg_catalog.pg_relation_filenode(c.oid)::int8::text AS filenode`

/** Schema of amcheck's functions, quoted; undefined where the extension's files are missing. */
async function makeAmcheck(session: Session): Promise<string | undefined> {
  await session.query('SAVEPOINT amcheck')
  try {
    const there = await session.query<{ schema: string }>(
      "SELECT pg_catalog.quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'",
    )
    if (there.rows[0]) return there.rows[0].schema
    await session.query('CREATE SCHEMA wharf_amcheck')
    await session.query('CREATE EXTENSION amcheck SCHEMA wharf_amcheck')
    return 'wharf_amcheck'
  } catch {
    await session.query('ROLLBACK TO SAVEPOINT amcheck')
    return undefined
  }
}

/** Each check in its own savepoint, so that one bad relation does not hide the others. */
async function guarded(parts: CheckParts, what: string, work: () => Promise<void>): Promise<void> {
  parts.signal.throwIfAborted()
  await parts.session.query('SAVEPOINT one')
  try {
    await work()
    await parts.session.query('RELEASE SAVEPOINT one')
  } catch (error) {
    await parts.session.query('ROLLBACK TO SAVEPOINT one')
    parts.findings.push(`${parts.database}: ${what}: ${messageOf(error)}`)
  }
}

async function checkIndexes(parts: CheckParts): Promise<number> {
  const { session, schema } = parts
  const gin = await session.query(
    `SELECT FROM pg_catalog.pg_proc WHERE proname = 'gin_index_check' AND pronamespace = '${schema}'::regnamespace`,
  )
  const rows = await session.query<{ oid: number; name: string; method: string; db: string; filenode: string }>(
    `SELECT c.oid, c.oid::regclass::text AS name, am.amname AS method, ${PLACE_COLUMNS}
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am am ON am.oid = c.relam JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
      WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND i.indisready AND i.indisvalid AND am.amname IN ('btree', 'gin') ORDER BY c.oid`,
  )
  let count = 0
  for (const { oid, name, method } of whatIsThere(rows.rows, parts.leftOut)) {
    if (method === 'gin' && gin.rows.length === 0) continue
    const call =
      method === 'gin'
        ? `${schema}.gin_index_check($1::oid::regclass)`
        : `${schema}.bt_index_check($1::oid::regclass, true)`
    await guarded(parts, name, async () => void (await session.query(`SELECT ${call}`, [oid])))
    count++
  }
  return count
}

async function checkTables(parts: CheckParts): Promise<number> {
  const { session, schema } = parts
  const rows = await session.query<{ oid: number; name: string; db: string; filenode: string }>(
    `SELECT c.oid, c.oid::regclass::text AS name, ${PLACE_COLUMNS} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am am ON am.oid = c.relam
      WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND am.amname = 'heap' ORDER BY c.oid`,
  )
  const tables = whatIsThere(rows.rows, parts.leftOut)
  for (const { oid, name } of tables) {
    await guarded(parts, name, async () => {
      const found = await session.query<{ blkno: string; msg: string; path: string }>(
        `SELECT blkno, msg, pg_catalog.pg_relation_filepath($1) AS path FROM ${schema}.verify_heapam($1::oid::regclass) LIMIT 5`,
        [oid],
      )
      for (const { blkno, msg, path } of found.rows)
        parts.findings.push(`${parts.database}: ${name} (${path}) block ${blkno}: ${msg}`)
    })
  }
  return tables.length
}

export interface PageProof {
  readonly files: number
  readonly bytes: number
  readonly checksums: boolean
}

/** Reads every page of every relation of a stopped cluster. Without checksums only headers can be judged. */
export async function verifyPages(
  dataDirectory: string,
  options: { workers: number; signal: AbortSignal; progress: (done: number, total: number) => void },
): Promise<PageProof> {
  const control = parseControlFile(await readFile(join(dataDirectory, 'global', 'pg_control')))
  const checksums = control.dataChecksumVersion === 1
  const files = await relationFiles(dataDirectory)
  const total = files.reduce((sum, file) => sum + file.bytes, 0)
  await using pool = new RestorePool({ seed: undefined, backup: '', workers: options.workers })
  const tasks = function* (): Generator<VerifyTask> {
    for (let at = 0; at < files.length; at += 64) {
      options.progress(pool.doneBytes, total)
      yield { type: 'verify', checksums, files: files.slice(at, at + 64) }
    }
  }
  const findings = await pool.perform(tasks(), options.signal)
  if (findings.length > 0) throw errors.verifyFailed({ count: findings.length, findings: findings.slice(0, 10) })
  return { files: files.length, bytes: total, checksums }
}

interface RelationOnDisk {
  readonly path: string
  readonly file: string
  readonly firstBlock: number
  readonly bytes: number
}

/** Files of relations as PostgreSQL names them, in global, base/<oid> and pg_tblspc/<oid>/PG_…/<oid>. */
async function relationFiles(root: string): Promise<readonly RelationOnDisk[]> {
  const folders = ['global', ...(await under(root, 'base'))]
  for (const space of await under(root, 'pg_tblspc')) {
    for (const version of (await under(root, space)).filter((path) => /\/PG_[^/]+$/.test(path)))
      folders.push(...(await under(root, version)))
  }
  const found: RelationOnDisk[] = []
  for (const folder of folders) {
    for (const name of await readdir(join(root, folder)).catch(() => [])) {
      const match = /^\d+(?:_(?:fsm|vm|init))?(?:\.(\d+))?$/.exec(name)
      if (!match) continue
      const file = `${folder}/${name}`
      found.push({
        path: join(root, file),
        file,
        firstBlock: Number(match[1] ?? '0') * BLOCKS_PER_SEGMENT,
        bytes: (await stat(join(root, file))).size,
      })
    }
  }
  return found
}

async function under(root: string, folder: string): Promise<readonly string[]> {
  return (await readdir(join(root, folder)).catch(() => [])).map((name) => `${folder}/${name}`)
}
