// Acceptance 6: a drill that meets a silently damaged backup fails loudly and names file and block.
import assert from 'node:assert/strict'
import { closeSync, openSync, writeSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import { readArchive } from '../../src/recovery/drills/archive.ts'
import { drillStandingOf } from '../../src/recovery/rates/proofs.ts'
import { openWorld, type Taken, type World } from '../backup/world.ts'
import { drill, flipBit, homeOf } from './world.ts'

const signal = new AbortController().signal

/** The extent that holds a block of a table, by the backup's own map. */
async function extentOf(world: World, taken: Taken, at: { table: string; block: number }) {
  const [row] = await world.server.psql<{ path: string }>(`select pg_relation_filepath('${at.table}') as path`)
  const file = taken.manifest.files.find((one) => one.path === row!.path)
  assert.ok(file?.kind === 'segment')
  const [map] = await world.repository.readMaps([file.map], signal)
  const run = map!.runs.find((one) => one.block <= at.block && at.block < one.block + one.count)!
  return { path: row!.path, extent: map!.extents[run.extent]! }
}

async function packFile(world: World, pack: string): Promise<string> {
  const names = await readdir(join(world.folder, 'repository', 'packs'), { recursive: true })
  const found = names.find((name) => name.endsWith(pack))
  assert.ok(found, `no file of pack ${pack}`)
  return join(world.folder, 'repository', 'packs', found)
}

test('a bit that flips in a pack fails the drill, with file, block and table, and status hears of it', async () => {
  await using world = await openWorld({ major: 17 })
  await world.server.psql(
    'create table sales as select n as id, repeat(md5(n::text), 8) as note from generate_series(1, 20000) n',
  )
  const taken = await world.take('full')
  await world.archiveAll()
  const { path, extent } = await extentOf(world, taken, { table: 'sales', block: 200 })
  await flipBit(await packFile(world, extent.pack), extent.offset + Math.floor(extent.storedBytes / 2))

  await assert.rejects(drill(world, { verify: 'connect' }), (error: Error & { code?: string; exit?: string }) => {
    assert.equal(error.code, 'recovery.drill-failed')
    assert.equal(error.exit, 'findings')
    assert.match(
      error.message,
      new RegExp(
        `^drill \\S+ of warehouse "retail" failed: blocks (\\d+)–(\\d+) of ${path} \\(postgres\\.public\\.sales\\): extent ${extent.number} of pack ${extent.pack}`,
      ),
    )
    const [, from, to] = /blocks (\d+)–(\d+)/.exec(error.message)!
    assert.ok(Number(from) <= 200 && 200 <= Number(to))
    return true
  })
  const { drills } = await readArchive(homeOf(world))
  const [finding] = drills[0]!.evidence!.findings
  assert.deepEqual([finding!.check, finding!.file, finding!.relation], ['repository', path, 'postgres.public.sales'])
  const standing = await drillStandingOf(homeOf(world), 'retail')
  assert.equal(standing.last!.outcome, 'failed')
  assert.equal(standing.last!.grave, true)
  assert.deepEqual(await readdir(join(world.folder, 'sandboxes')), [])
})

test('a page that was wrong before it was backed up, with nothing to show it, is named with table and block', async () => {
  // Without checksums nothing notices a line pointer that leads out of the page.
  await using world = await openWorld({ major: 16, checksums: false, settings: { autovacuum: 'off' } })
  const { server } = world
  await server.psql(
    'create table sales as select n as id, repeat(md5(n::text), 8) as note from generate_series(1, 5000) n',
  )
  const [row] = await server.psql<{ path: string }>(`select pg_relation_filepath('sales') as path`)
  await server.psql('checkpoint')
  const descriptor = openSync(join(server.dataDirectory, row!.path), 'r+')
  const pointer = Buffer.alloc(4)
  pointer.writeUInt32LE((2000 << 17) | (1 << 15) | 8000)
  writeSync(descriptor, pointer, 0, 4, 37 * 8192 + 24)
  closeSync(descriptor)
  await world.take('full')
  await world.archiveAll()
  await assert.rejects(drill(world), (error: Error) => {
    assert.match(
      error.message,
      /^drill \S+ of warehouse "retail" failed: block 37 of base\/\d+\/\d+ \(postgres\.public\.sales\): .*line pointer/,
    )
    assert.ok(error.message.includes(row!.path))
    return true
  })
})
