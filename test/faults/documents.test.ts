// The tables of data-loss cases and pitfalls name only what exists.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../', import.meta.url)

for (const name of ['data-loss-cases', 'pitfalls']) {
  void test(`doc/design/${name}.md names tests and files that exist`, () => {
    const text = readFileSync(new URL(`doc/design/${name}.md`, root), 'utf8')
    const paths = [...text.matchAll(/`((?:src|test|doc)\/[\w./-]+)`/g)].map((match) => match[1]!)
    const items = [...text.matchAll(/npm run accept -- ([\w-]+)/g)].map((match) => `test/accept/${match[1]}.ts`)
    assert.ok(paths.length > 30)
    const missing = [...new Set([...paths, ...items])].filter((path) => !existsSync(new URL(path, root)))
    assert.deepEqual(missing, [])
  })
}

void test('every pitfall has its row', () => {
  const text = readFileSync(new URL('doc/design/pitfalls.md', root), 'utf8')
  const numbers = [...text.matchAll(/^\| (\d+) \|/gm)].map((match) => Number(match[1]))
  assert.deepEqual(
    numbers,
    Array.from({ length: 60 }, (_, n) => n + 1),
  )
})
