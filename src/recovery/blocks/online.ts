// Healing under a running server: the table locked against everybody, everything that the server holds of the blocks on disk and out of its memory, the WAL since the
// sandbox's end read, then the bytes. All in one transaction that is rolled back: extensions that it makes for itself go with it.
import { codeOf, messageOf } from '../../base/errors.ts'
import { HEALED_AHEAD_BYTES } from '../../repository/healed.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import { withoutPageHeader } from '../../wal/segments.ts'
import type { ServerFacts, Session } from '../../warehouse/contract.ts'
import { blockErrors as errors } from './errors.ts'
import { healBlock, type HealParts } from './heal.ts'
import { judge } from './judge.ts'
import { refusalOnline, relationByFile, type LiveRelation } from './live-table.ts'
import { inMemory, walGone, type BlockResult } from './result.ts'
import { touchesInServer } from './touches.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

export interface OnlineParts extends Omit<HealParts, 'touches' | 'readBack' | 'note' | 'demandAlone'> {
  /** With the database that the blocks are of. */
  readonly session: Session
  readonly facts: ServerFacts
  /** All of one relation. */
  readonly blocks: readonly WantedBlock[]
  /** Rejects where the server never wrote all the WAL that the good pages are of. */
  readonly demandOwnWal: (serverLsn: Lsn) => void
  readonly lockTimeoutMs: number
  readonly note: (block: WantedBlock, lsn: Lsn) => Promise<void>
}

export async function healOnline(parts: OnlineParts): Promise<readonly BlockResult[]> {
  const { session, blocks } = parts
  const relation = await relationByFile(session, blocks[0]!.file)
  const refusal = relation
    ? refusalOnline(relation)
    : `no relation of the database has its file ${blocks[0]!.path}: it was dropped or rewritten`
  if (!relation || refusal !== undefined) return refuseAll(blocks, refusal!)
  // A session that is ended while the repositories are told would lose the lock before the write.
  await session.query(
    `select pg_catalog.set_config(name, '0', false) from pg_catalog.pg_settings
      where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`,
  )
  // Most of the work before the lock is taken.
  await session.query('checkpoint')
  await session.query('begin isolation level read committed read write')
  try {
    return await inTransaction(relation, parts)
  } finally {
    // Also where the server is gone: then nothing of it was committed either.
    await session.query('rollback').catch(() => {})
  }
}

function refuseAll(blocks: readonly WantedBlock[], why: string): readonly BlockResult[] {
  return blocks.map((block) => ({ block, outcome: 'refused', why }))
}

async function inTransaction(relation: LiveRelation, parts: OnlineParts): Promise<readonly BlockResult[]> {
  const { session, facts, blocks } = parts
  const buffers = await openBufferView(session)
  await lock(relation, parts)
  const again = await relationByFile(session, blocks[0]!.file)
  // The lock was taken by name, and names change hands.
  if (again?.oid !== relation.oid || !(await isLocked(again, session)))
    return refuseAll(blocks, `${relation.name} was dropped or rewritten meanwhile`)
  // Nobody changes the blocks from here on. What was changed goes to disk, and with it all WAL up to now.
  const lockedLsn = withoutPageHeader(await insertLsn(session), facts.walSegmentBytes)
  await session.query('checkpoint')
  parts.demandOwnWal(lockedLsn)
  const touches =
    lockedLsn <= parts.goodToLsn
      ? new Map<string, Lsn>()
      : await touchesInServer(blocks, {
          dataDirectory: parts.dataDirectory,
          timeline: facts.timeline,
          segmentBytes: facts.walSegmentBytes,
          majorVersion: facts.majorVersion,
          fromLsn: parts.goodToLsn,
          toLsn: lockedLsn,
          signal: parts.signal,
        })
  if (!touches) return refuseAll(blocks, walGone)
  const held = await buffers.drop(blocks)
  const results: BlockResult[] = []
  for (const block of blocks) {
    if (held.has(keyOf(block))) {
      const inServer = await buffers.inServer(relation, block)
      results.push(await heldBlock(block, { ...parts, touches, inServer, note: nothing }))
    } else
      results.push(
        await healBlock(block, {
          ...parts,
          touches,
          note: (one) => noteUntilNow(one, parts),
          demandAlone: async () => {
            if (!(await isLocked(again, session))) throw errors.blockLockLost(again.table)
          },
          readBack: (one) => buffers.readBack(relation, one),
        }),
      )
  }
  return results
}

const nothing = (): Promise<void> => Promise.resolve()

/**
 * Nothing is written, as the server may write over it. Nor need it be where both the server and the disk have the good page: whoever ended right behind the write
 * of a block has it read back through the server.
 */
async function heldBlock(
  block: WantedBlock,
  parts: Omit<HealParts, 'readBack' | 'demandAlone'> & { readonly inServer: Buffer | undefined },
): Promise<BlockResult> {
  const refused: BlockResult = { block, outcome: 'refused', why: inMemory }
  const good = parts.good.get(keyOf(block))
  if (!parts.inServer || !good) return refused
  // In memory the checksum of a page is that of an earlier write: without it all bytes are compared.
  const inServer = judge({ disk: parts.inServer, good, block: block.block, checksums: false })
  if (inServer.is !== 'good') return refused
  const onDisk = await healBlock(block, { ...parts, dryRun: true, demandAlone: nothing, readBack: undefined })
  return onDisk.outcome === 'good' ? onDisk : refused
}

async function insertLsn(session: Session): Promise<Lsn> {
  const [row] = await session.query<{ lsn: string }>('select pg_catalog.pg_current_wal_insert_lsn()::text as lsn')
  return parseLsn(row!.lsn)
}

/** What is told is valid for backups that begin some way ahead: of that at least half is left when the block is written. */
async function noteUntilNow(block: WantedBlock, { session, note }: OnlineParts): Promise<void> {
  for (;;) {
    const lsn = await insertLsn(session)
    await note(block, lsn)
    if ((await insertLsn(session)) <= lsn + HEALED_AHEAD_BYTES / 2n) return
  }
}

async function isLocked(relation: LiveRelation, session: Session): Promise<boolean> {
  const [row] = await session.query<{ held: boolean }>(
    `select exists (select from pg_catalog.pg_locks where pid = pg_catalog.pg_backend_pid() and locktype = 'relation'
       and relation = $1::oid and mode = 'AccessExclusiveLock' and granted) as held`,
    [relation.tableOid],
  )
  return row!.held
}

async function lock(relation: LiveRelation, { session, lockTimeoutMs }: OnlineParts): Promise<void> {
  await session.query(`set local lock_timeout = ${lockTimeoutMs}`)
  try {
    await session.query(`lock table only ${relation.table} in access exclusive mode`)
    // Vacuum works on TOAST tables by themselves. LOCK refuses them; a setting that is rolled back locks them against it.
    if (relation.isToast)
      await session.query(`alter table only ${relation.table} set (toast.autovacuum_enabled = false)`)
  } catch (error) {
    // 55P03: lock_not_available.
    if (codeOf(error) === '55P03')
      throw errors.blockLocked({ table: relation.table, waitedMs: lockTimeoutMs }, { cause: error })
    throw error
  }
}

interface BufferView {
  /** Evicts the blocks where the server can do that; resolves to the keys of those that it still holds. */
  drop(blocks: readonly WantedBlock[]): Promise<ReadonlySet<string>>
  /** The page in the server's memory, read from disk where it is not there; undefined without pageinspect. */
  inServer(relation: LiveRelation, block: WantedBlock): Promise<Buffer | undefined>
  /** Through the server's own memory where pageinspect is there, else as the server reads its file. */
  readBack(relation: LiveRelation, block: WantedBlock): Promise<Buffer | undefined>
}

const SCHEMA = 'wharf_heal'

/** What is not installed is made for this transaction. Rejects with `recovery.block-no-buffer-view`. */
async function openBufferView(session: Session): Promise<BufferView> {
  const buffercache = await extension(session, 'pg_buffercache')
  if (typeof buffercache !== 'string') throw errors.blockNoBufferView(messageOf(buffercache), { cause: buffercache })
  const inspect = await extension(session, 'pageinspect')
  const [found] = await session.query<{ evicts: boolean }>(
    `select pg_catalog.to_regprocedure('${buffercache}.pg_buffercache_evict(integer)') is not null as evicts`,
  )
  return {
    drop: (blocks) => drop(session, { blocks, schema: buffercache, evicts: found!.evicts }),
    inServer: async (relation, block) =>
      typeof inspect === 'string' ? await readBack(session, { relation, block, inspect }) : undefined,
    readBack: (relation, block) => readBack(session, { relation, block, inspect }),
  }
}

/** Schema of the extension, as SQL; why it cannot be had otherwise. */
async function extension(session: Session, name: string): Promise<string | Error> {
  const [there] = await session.query<{ schema: string }>(
    'select format($2, n.nspname) as schema from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = $1',
    [name, '%I'],
  )
  if (there) return there.schema
  await session.query('savepoint extension')
  try {
    await session.query(`create schema if not exists ${SCHEMA}; create extension ${name} schema ${SCHEMA}`)
    return SCHEMA
  } catch (error) {
    await session.query('rollback to extension')
    return error as Error
  }
}

async function drop(
  session: Session,
  of: { blocks: readonly WantedBlock[]; schema: string; evicts: boolean },
): Promise<ReadonlySet<string>> {
  const { tablespace, database, relfilenode } = of.blocks[0]!.file
  const byNumber = new Map(of.blocks.map((one) => [one.block, keyOf(one)]))
  const held = async (): Promise<{ buffer: number; block: string }[]> =>
    await session.query<{ buffer: number; block: string }>(
      `select bufferid as buffer, relblocknumber::text as block from ${of.schema}.pg_buffercache
        where relfilenode = $1 and reltablespace = $2 and reldatabase = $3 and relforknumber = 0 and relblocknumber = any($4::bigint[])`,
      [relfilenode, tablespace, database, [...byNumber.keys()]],
    )
  if (of.evicts)
    for (const { buffer } of await held()) await session.query(`select ${of.schema}.pg_buffercache_evict(${buffer})`)
  return new Set((await held()).map((one) => byNumber.get(Number(one.block))!))
}

async function readBack(
  session: Session,
  of: { relation: LiveRelation; block: WantedBlock; inspect: string | Error },
): Promise<Buffer | undefined> {
  const { relation, block, inspect } = of
  const fork = block.fork
  const [row] =
    typeof inspect === 'string'
      ? await session.query<{ page: Buffer }>(`select ${inspect}.get_raw_page($1, $2, $3::bigint) as page`, [
          relation.name,
          fork,
          block.block,
        ])
      : await session.query<{ page: Buffer }>('select pg_catalog.pg_read_binary_file($1, $2, 8192) as page', [
          block.path,
          block.inFile * 8192,
        ])
  return row?.page
}
