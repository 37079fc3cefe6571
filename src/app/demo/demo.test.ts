import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'

import { processEnvironment } from '../../base/environment.ts'
import { examineConfig, sectionsOf } from '../config/load.ts'
import { readConfigAt } from '../config/source.ts'
import { rooms } from '../rooms.ts'
import { addDays, filesOfDay, tourDay } from './feed.ts'
import { monthsBefore } from './history.ts'
import { demoFile } from './layout.ts'
import { differences } from './proof.ts'

const readme = fileURLToPath(new URL('../../../README.md', import.meta.url))

test('the configuration that the demo writes is sound', async () => {
  const source = await readConfigAt(fileURLToPath(demoFile('wharf.yaml')), '/nowhere')
  assert.deepEqual(examineConfig(source, sectionsOf(rooms), processEnvironment()).findings, [])
})

test('the configuration that the README shows is sound, but for files of secrets that are not here', async () => {
  const [, yaml] = /```yaml\n([^`]*)```/.exec(readFileSync(readme, 'utf8')) ?? []
  assert.ok(yaml)
  const file = '/nowhere/wharf.yaml'
  const source = {
    ...(await readConfigAt(file, '/nowhere')),
    text: yaml.replace('${file:/etc/wharf/sales.password}', '${env:PW}'),
  }
  const environment = { ...processEnvironment(), variables: { PW: 'secret' } }
  assert.deepEqual(examineConfig(source, sectionsOf(rooms), environment).findings, [])
})

test('a day of the feed is the same each time, and returns refer to days before', () => {
  const [sales, clicks, returns] = filesOfDay('2026-03-01', tourDay)
  assert.deepEqual(filesOfDay('2026-03-01', tourDay), [sales, clicks, returns])
  assert.equal(gunzipSync(sales!.content).toString().trim().split('\n').length, tourDay.sales + 1)
  for (const line of returns!.content.toString().trim().split('\n').slice(1)) {
    const [returnedOn, , soldOn] = line.split(',')
    assert.equal(returnedOn, '2026-03-01')
    assert.ok(soldOn! < returnedOn && soldOn! >= addDays(returnedOn, -40), line)
  }
})

test('months and days over the borders of years', () => {
  assert.deepEqual(monthsBefore('2026-02-01', 3), ['2025-11-01', '2025-12-01', '2026-01-01'])
  assert.equal(addDays('2024-02-28', 2), '2024-03-01')
  assert.equal(addDays('2026-01-01', -1), '2025-12-31')
})

test('a proof names what is missing, what changed and what is new', () => {
  const one = { table: 'a', rows: '1', hash: '5' }
  const other = { table: 'b', rows: '2', hash: '7' }
  assert.deepEqual(differences([one, other], [other, one]), [])
  assert.deepEqual(
    differences(
      [one, other],
      [
        { ...one, hash: '6' },
        { ...one, table: 'c' },
      ],
    ),
    ['a', 'b', 'c'],
  )
})
