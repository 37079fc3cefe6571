// Static data over random histories: partitions are written, then stand still. Full backups share exactly those that stood still since one backup read them
// whole, nothing of them is read, and what is restored is the truth. A failure is repeated with --seed and the case's number.
import assert from 'node:assert/strict'

import { messageOf } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { BackupKind, Manifest } from '../../src/repository/contract.ts'
import type { AcceptOptions } from '../../tools/accept.ts'
import { contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { majors } from '../support/postgres.ts'

export const defaultCount = 40
const PARTITIONS = 12
const ROUNDS = 7

export async function run(options: AcceptOptions): Promise<{ passed: number; failed: number }> {
  const { count, seed, resumeFrom, signal } = options
  let failed = 0
  for (let at = resumeFrom; at < count && !signal.aborted; at++) {
    const failure = await oneHistory({ seed: seed + at, number: at, log: (line) => options.log(line) }).then(
      () => undefined,
      (error: unknown) => messageOf(error),
    )
    if (failure !== undefined) failed++
    options.done(at + 1, failure)
  }
  return { passed: count - failed, failed }
}

interface Partition {
  readonly name: string
  touched: boolean
  storedBy: string
  /** Whether a full backup, or the first, read the whole file last. */
  fromFull: boolean
}

export async function oneHistory(of: { seed: number; number: number; log: (line: string) => void }): Promise<void> {
  const random = seededRandom(of.seed)
  const pick = <T>(some: readonly T[]): T => some[random.integer(some.length)]!
  const major = majors[of.number % majors.length]!
  await using world = await openWorld({ major, checksums: random.integer(10) < 7, settings: { autovacuum: 'off' } })
  const partitions = await makePartitions(world)
  for (let round = 0; round < ROUNDS; round++) {
    // Fewer and fewer are still written to.
    for (const one of partitions) if (round > 0 && random.integer(100) < 60 / round) await touch(world, one, pick)
    const kind: BackupKind = round === 0 ? 'full' : pick(['full', 'full', 'incremental', 'differential'] as const)
    const truth = await contentsOf(world.server)
    const { manifest, alerts } = await world.take(kind, {
      audit: { sharePerDay: random.integer(10) < 3 ? 1e9 : 0, bytesPerSecond: undefined },
    })
    assert.deepEqual(alerts, [], 'no alert without a cause')
    await judge(world, { manifest, kind, partitions, first: round === 0 })
    if (round === ROUNDS - 1 || random.integer(4) === 0) {
      await using restored = await world.restore(manifest.id, {
        recovery_target: 'immediate',
        recovery_target_action: 'promote',
      })
      assert.deepEqual(await contentsOf(restored), truth, `backup ${round} (${kind}) restores to the truth`)
    }
  }
}

async function makePartitions(world: World): Promise<Partition[]> {
  await world.server.psql('create table facts (part int, id int, body text) partition by list (part)')
  const partitions: Partition[] = []
  for (let at = 0; at < PARTITIONS; at++) {
    const name = `facts_${at}`
    await world.server.psql(
      `create table ${name} partition of facts for values in (${at});
       insert into ${name} select ${at}, n, md5(n::text) || repeat('x', 200) from generate_series(1, 800) n`,
    )
    partitions.push({ name, touched: true, storedBy: '', fromFull: false })
  }
  await world.server.psql('create index on facts (id)')
  await world.server.psql('vacuum freeze facts')
  return partitions
}

/** One real change, and everything that would follow from it later: freezing, hint bits. */
async function touch(world: World, one: Partition, pick: <T>(some: readonly T[]) => T): Promise<void> {
  const part = one.name.slice('facts_'.length)
  const add = `insert into ${one.name} select ${part}, n, md5((n * 7)::text) from generate_series(1, 300) n`
  const sql = pick([
    add,
    `${add}; update ${one.name} set body = body || 'u' where id % 10 = 3`,
    `${add}; delete from ${one.name} where id % 5 = 1`,
    `truncate ${one.name}; ${add}`,
    `alter table facts detach partition ${one.name}; ${add}; alter table facts attach partition ${one.name} for values in (${part})`,
  ])
  await world.server.psql(sql)
  if (pick([true, false])) await world.server.psql(`vacuum full ${one.name}`)
  await world.server.psql(`vacuum freeze ${one.name}`)
  one.touched = true
}

async function judge(
  world: World,
  of: { manifest: Manifest; kind: BackupKind; partitions: readonly Partition[]; first: boolean },
): Promise<void> {
  const { manifest, kind, first } = of
  const segments = new Map(manifest.files.flatMap((file) => (file.kind === 'segment' ? [[file.path, file]] : [])))
  for (const one of of.partitions) {
    const [row] = await world.server.psql<{ path: string }>(`select pg_relation_filepath('${one.name}') as path`)
    const { storedBy } = segments.get(row!.path)!
    if (one.touched) assert.equal(storedBy, manifest.id, `${one.name} was written to: ${kind} stores it`)
    else if (kind === 'incremental' || (kind === 'full' && one.fromFull))
      assert.equal(storedBy, one.storedBy, `${one.name} stood still: ${kind} shares it`)
    const anew = storedBy === manifest.id
    one.fromFull = anew ? kind === 'full' || first : one.fromFull && storedBy === one.storedBy
    one.storedBy = storedBy
    one.touched = false
  }
  const { clusterBytes, staticBytes, readBytes } = manifest.statistics
  // The control file is read once more than stored; pages that look odd may be read again.
  assert.ok(
    readBytes <= clusterBytes - staticBytes + 65_536,
    `${readBytes} read of ${clusterBytes}, ${staticBytes} static`,
  )
}
