import assert from 'node:assert/strict'
import { copyFile, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { keepEvidence, readArchive } from './archive.ts'
import { emptyProof, type Evidence } from './evidence.ts'
import { makeSigner, openSealed, sealed } from './seal.ts'

const evidence: Omit<Evidence, 'number' | 'previous'> = {
  version: 1,
  id: '20261129T040000Z-00000001',
  warehouse: 'retail',
  tier: 'all',
  trigger: 'schedule',
  actor: 'schedule',
  host: 'dw1',
  startedAt: '2026-11-29T04:00:00.000Z',
  finishedAt: '2026-11-29T04:02:00.000Z',
  outcome: 'failed',
  repository: 'local',
  backup: '20261128T220000Z-7f3a9c1e',
  postgresVersion: 180_004,
  target: { asked: 'latest', resolved: 'the end of WAL at 0/5000060', lsn: '0/5000060', timeline: 1 },
  recoveryMs: 61_234.5,
  predicted: { expectedMs: 60_000, lowMs: 50_000, highMs: 70_000, basis: 'measured' },
  steps: [{ step: 'fetch', bytes: 1_000_000, ms: 5000 }],
  durationMs: 120_000,
  proof: {
    ...emptyProof,
    databases: ['postgres'],
    counts: [{ database: 'postgres', table: 'public.größe', rows: '7', sums: [] }],
  },
  findings: [{ check: 'pages', message: 'base/5/16385 block 3: bad checksum', file: 'base/5/16385', blocks: '3' }],
  notes: [],
}

async function withDrills(count: number, work: (home: string, file: (number: number) => string) => Promise<void>) {
  const home = await mkdtemp(join(tmpdir(), 'wharf-drills-'))
  try {
    for (let number = 1; number <= count; number++) await keepEvidence(home, { ...evidence, id: `d${number}` })
    await work(home, (number) => join(home, 'drills', `${String(number).padStart(6, '0')}.json`))
  } finally {
    await rm(home, { recursive: true })
  }
}

/** Every complaint, of documents and chain. */
async function problemsOf(home: string): Promise<readonly string[]> {
  const { drills, problems } = await readArchive(home)
  return [...drills.flatMap((one) => one.problems.map((problem) => `${one.number}: ${problem}`)), ...problems]
}

test('what was kept is read back as it was, numbered and chained, without a complaint', async () => {
  await withDrills(3, async (home) => {
    const { drills, problems } = await readArchive(home)
    assert.deepEqual(problems, [])
    assert.deepEqual(
      drills.map((one) => [one.number, one.evidence?.id, one.problems]),
      [
        [1, 'd1', []],
        [2, 'd2', []],
        [3, 'd3', []],
      ],
    )
    assert.deepEqual(drills[1]!.evidence, { ...evidence, id: 'd2', number: 2, previous: drills[0]!.digest })
  })
})

test('drills that end at once each get a number', async () => {
  await withDrills(0, async (home) => {
    await Promise.all(Array.from({ length: 8 }, (_, index) => keepEvidence(home, { ...evidence, id: `d${index}` })))
    const { drills } = await readArchive(home)
    assert.deepEqual(
      drills.map((one) => one.number),
      [1, 2, 3, 4, 5, 6, 7, 8],
    )
    assert.deepEqual(await problemsOf(home), [])
  })
})

test('each single byte that is changed, left out or put in shows', async () => {
  await withDrills(1, async (home, file) => {
    const whole = await readFile(file(1))
    const publicKey = (await makeSigner(join(home, 'drills'))).publicKey
    const tried = (bytes: Buffer, what: string): void => {
      const opened = openSealed(bytes.toString('utf8'))
      assert.ok(!opened.whole || opened.publicKey !== publicKey, what)
    }
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << (at % 8)
      tried(flipped, `a flipped bit at ${at}`)
      if (at % 16 > 0) continue
      tried(Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)]), `without byte ${at}`)
      tried(Buffer.concat([whole.subarray(0, at), Buffer.from(' '), whole.subarray(at)]), `a blank at ${at}`)
    }
    for (const at of [0, 100, whole.length - 1]) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1
      await writeFile(file(1), flipped)
      assert.notDeepEqual(await problemsOf(home), [])
    }
    await writeFile(file(1), whole)
    assert.deepEqual(await problemsOf(home), [])
  })
})

test('the head is sealed like a document', async () => {
  await withDrills(1, async (home) => {
    const path = join(home, 'drills', 'head.json')
    const whole = await readFile(path)
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << (at % 8)
      await writeFile(path, flipped)
      assert.notDeepEqual(await problemsOf(home), [], `a flipped bit at ${at}`)
    }
  })
})

test('a document that is removed shows, the newest too, and so does the head', async () => {
  for (const number of [1, 2, 3]) {
    await withDrills(3, async (home, file) => {
      await rm(file(number))
      assert.ok((await problemsOf(home)).includes(`drill number ${number} is missing`))
    })
  }
  await withDrills(2, async (home) => {
    await rm(join(home, 'drills', 'head.json'))
    assert.deepEqual(await problemsOf(home), ['head.json is missing'])
  })
})

test('documents that change places, or one put in the place of another, show', async () => {
  await withDrills(3, async (home, file) => {
    await rename(file(1), `${file(1)}.aside`)
    await rename(file(2), file(1))
    await rename(`${file(1)}.aside`, file(2))
    const problems = await problemsOf(home)
    assert.ok(problems.includes('1: it is number 2, kept as 1') && problems.includes('2: it is number 1, kept as 2'))
  })
  await withDrills(3, async (home, file) => {
    await copyFile(file(1), file(3))
    assert.ok((await problemsOf(home)).length > 0)
  })
})

test('signing it again with another key shows, and with the same key it no longer fits the chain', async () => {
  await withDrills(3, async (home, file) => {
    const better = { ...evidence, id: 'd2', outcome: 'passed' as const, findings: [], number: 2 }
    const { drills } = await readArchive(home)
    const document = { ...better, previous: drills[0]!.digest } as Evidence
    const elsewhere = await mkdtemp(join(tmpdir(), 'wharf-other-'))
    await writeFile(file(2), sealed(document, await makeSigner(elsewhere)))
    await rm(elsewhere, { recursive: true })
    assert.match(
      (await problemsOf(home))[0]!,
      /^2: it is signed by another key than this home's \(([0-9a-f]{4} ?){8}\)$/,
    )
    await writeFile(file(2), sealed(document, await makeSigner(join(home, 'drills'))))
    assert.deepEqual(await problemsOf(home), [
      '3: the document before it is not the one that was there when it was written',
    ])
    await writeFile(file(3), sealed({ ...document, id: 'd3', number: 3 }, await makeSigner(join(home, 'drills'))))
    assert.ok((await problemsOf(home)).includes('drill number 3 is not the document that was written last'))
  })
})
