// A managed warehouse: made, started, adopted, stopped; and its password nowhere to be seen.
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { warehouses } from '../../src/warehouse/contract.ts'
import { managedDataDirectory, startManaged, stopManaged } from '../../src/warehouse/managed.ts'
import { room } from '../../src/warehouse/room.ts'
import { checkWarehouse } from '../../src/warehouse/check/check.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder } from '../support/postgres.ts'

const signal = new AbortController().signal

/** Command lines and environments of all processes that we may read. */
async function processTexts(): Promise<string> {
  const texts: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    for (const file of ['cmdline', 'environ'])
      texts.push(await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => ''))
  }
  return texts.join('\n')
}

void test('a managed warehouse starts, is adopted, keeps its port, and shows no password', async () => {
  await using scratch = await scratchFolder()
  await using scope = new AsyncDisposableStack()
  const home = join(scratch.path, 'home')
  const config = { warehouses: { retail: { managed: true, database: 'shop', settings: { work_mem: '7MB' } } } }
  const context = testContext({ home, rooms: [room], config }, scope)
  scope.defer(async () => void (await stopManaged('retail', context, { mode: 'immediate', signal })))
  const first = await startManaged('retail', context, signal)
  assert.equal(first.adopted, false)
  assert.equal(first.dataDirectory, managedDataDirectory('retail', context))
  assert.deepEqual(await startManaged('retail', context, signal), { ...first, adopted: true })
  const warehouse = (await context.use(warehouses)).get('retail')
  assert.equal(warehouse.declaration.url, `postgresql://postgres@127.0.0.1:${first.port}/shop`)
  {
    await using session = await warehouse.connect({ purpose: 'test', signal })
    assert.deepEqual(
      await session.query('select current_database() as name, current_setting($1) as memory', ['work_mem']),
      [{ name: 'shop', memory: '7MB' }],
    )
    const findings = await checkWarehouse(warehouse, signal)
    assert.deepEqual(
      findings.filter((one) => one.state === 'failed'),
      [],
    )
    const facts = await warehouse.facts(signal)
    assert.equal(facts.dataChecksums, true)
  }
  const password = (await readFile(join(home, 'warehouses', 'retail', 'password'), 'utf8')).trim()
  assert.ok(password.length > 20)
  assert.equal((await readFile(join(home, 'warehouses', 'retail', 'server.log'), 'utf8')).includes(password), false)
  if (platform() === 'linux') assert.equal((await processTexts()).includes(password), false)
  assert.equal(JSON.stringify(warehouse.declaration).includes(password), false)
  assert.equal(await stopManaged('retail', context, { mode: 'fast', signal }), true)
  assert.equal(await stopManaged('retail', context, { mode: 'fast', signal }), false)
  await assert.rejects(warehouse.connect({ purpose: 'test', signal }), {
    code: 'warehouse.managed-not-running',
    message: 'the managed warehouse "retail" is not running',
    passing: true,
  })
  const again = await startManaged('retail', context, signal)
  assert.deepEqual([again.adopted, again.port], [false, first.port])
})

void test('only managed warehouses are started', async () => {
  await using scratch = await scratchFolder()
  await using scope = new AsyncDisposableStack()
  const config = { warehouses: { other: { url: 'postgresql://u@h/d' } } }
  const context = testContext({ home: scratch.path, rooms: [room], config }, scope)
  await assert.rejects(startManaged('other', context, signal), {
    code: 'warehouse.not-managed',
    message: 'warehouse "other" is not one that wharf runs itself',
  })
})
