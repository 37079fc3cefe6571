import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Manifest, MappedRelation, Repository, SegmentMap } from '../../repository/contract.ts'
import { errors as repositoryErrors } from '../../repository/errors.ts'
import { recoveryErrors } from '../errors.ts'
import { findingsOf, findingText } from './damage.ts'

const relation = {
  database: 'retail',
  databaseOid: 5,
  schema: 'public',
  name: 'sales',
  oid: 16_385,
  file: { tablespace: 1663, database: 5, relfilenode: 16_385 },
  kind: 'r',
  persistence: 'p',
  belongsTo: undefined,
  tier: 'standard',
} satisfies MappedRelation
const pack = 'ab'.repeat(16)
const map: SegmentMap = {
  file: 'base/5/16385',
  blockCount: 300,
  extents: [
    { pack, number: 3, offset: 0, storedBytes: 1, plainBytes: 1 },
    { pack, number: 4, offset: 1, storedBytes: 1, plainBytes: 1 },
  ],
  runs: [
    { block: 64, count: 1, extent: 0, place: 64 },
    { block: 0, count: 32, extent: 0, place: 0 },
    { block: 32, count: 2, extent: 0, place: 32 },
    { block: 100, count: 200, extent: 1, place: 0 },
  ],
}
const parts = {
  repository: { readMaps: async () => [map] } as unknown as Pick<Repository, 'readMaps'>,
  manifest: {
    files: [{ kind: 'segment', path: 'base/5/16385', map: {} }],
    relations: [relation],
  } as unknown as Pick<Manifest, 'files' | 'relations'>,
  signal: new AbortController().signal,
}

test('a damaged extent names file, blocks and table, in the words of the repository itself', async () => {
  const error = repositoryErrors.damagedExtent({
    pack,
    number: 3,
    file: 'base/5/16385',
    reason: 'its seal does not hold',
  })
  const [finding] = await findingsOf(error, parts)
  assert.deepEqual(finding, {
    check: 'repository',
    message: error.message,
    file: 'base/5/16385',
    blocks: '0–33, 64',
    relation: 'retail.public.sales',
  })
  assert.equal(
    findingText(finding),
    `blocks 0–33, 64 of base/5/16385 (retail.public.sales): extent 3 of pack ${pack}, which holds blocks of base/5/16385, is damaged: its seal does not hold`,
  )
})

test('bad pages name file and block, whoever found them; amcheck names the relation', async () => {
  const error = recoveryErrors.verifyFailed({
    count: 3,
    findings: [
      'base/5/16385 block 7: bad checksum',
      'retail: sales: invalid page in block 131080 of relation base/5/16385',
      'retail: sales (base/5/16385) block 37: line pointer to page offset 8000 with length 2000 ends beyond maximum page offset 8192',
      'retail: sales_pkey: item order invariant violated',
    ],
  })
  assert.deepEqual(
    (await findingsOf(error, parts)).map(({ check, file, blocks, relation: name }) => ({ check, file, blocks, name })),
    [
      { check: 'pages', file: 'base/5/16385', blocks: '7', name: 'retail.public.sales' },
      { check: 'pages', file: 'base/5/16385.1', blocks: '8', name: 'retail.public.sales' },
      { check: 'amcheck', file: 'base/5/16385', blocks: '37', name: 'retail.public.sales' },
      { check: 'amcheck', file: undefined, blocks: undefined, name: undefined },
    ],
  )
})

test('what is wrong with this machine is not taken for damage', async () => {
  const checks = async (error: unknown) => (await findingsOf(error, undefined)).map((one) => one.check)
  const space = recoveryErrors.noSpace({ directory: '/restore', needed: '2 GB', free: '1 GB' })
  assert.deepEqual(await checks(space), ['environment'])
  assert.deepEqual(await checks(recoveryErrors.noBinaries(18)), ['environment'])
  assert.deepEqual(await checks(new Error('something else')), ['recovery'])
})
