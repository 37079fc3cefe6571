// Holds the sources against design.md section 4 and the house rules.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'

import { floorTable, rowOf } from './floors.ts'
import { filesIn, readSources, root, sourceOf, type Import, type Source } from './sources.ts'

const folders = ['src', 'test', 'tools', 'bench', 'examples'].filter((folder) => existsSync(join(root, folder)))
const sources = readSources(folders)
const product = sources.filter((source) => source.path.startsWith('src/'))

function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts') || path.endsWith('.test.tsx')
}

/** Why an import is against the rules, or undefined. Exported rules of the table only: pure, tested below. */
function objection(source: Source, one: Import): string | undefined {
  const from = roomOf(source.path)
  if (one.target === undefined || from === undefined) return undefined
  if (isTest(source.path) && one.target.startsWith('test/support/')) return undefined
  const to = roomOf(one.target)
  if (to === undefined) return one.target === 'package.json' ? undefined : 'leaves src'
  if (from === to) return undefined
  const row = rowOf(from)
  if (!row) return `"${from}" is no room of the table`
  if (one.target.split('/').length !== 3) return `depth is privacy: only files directly in src/${to}/ may be imported`
  if (row.allowed.includes(to)) return undefined
  const isTypeOnly = row.contractTypes?.includes(to) === true
  if (isTypeOnly && !one.isType) return `${from} may import only types of ${to}`
  if (!isTypeOnly && !row.contracts?.includes(to)) return `${from} may not import ${to}`
  if (basename(one.target) !== 'contract.ts') return `${from} may import only contract.ts of ${to}`
  return undefined
}

function objections(of: readonly Source[]): readonly string[] {
  return of.flatMap((source) =>
    source.imports.flatMap((one) => {
      const why = objection(source, one)
      return why === undefined ? [] : [`${source.path} → ${one.target}: ${why}`]
    }),
  )
}

test('every import between rooms is allowed by the table, and only top-level files are reached', () => {
  assert.deepEqual(objections(product), [])
})

test('the rule sees an import upwards, sideways, into the depth and out of src', () => {
  const wrong = [
    sourceOf('src/wal/a.ts', "import { x } from '../backup/y.ts'"),
    sourceOf('src/backup/a.ts', "import type { x } from '../recovery/contract.ts'"),
    sourceOf('src/backup/a.ts', "import {\n  x,\n} from '../repository/store/file.ts'"),
    sourceOf('src/server/a.ts', "export { x } from '../runs/claims.ts'"),
    sourceOf('src/base/a.ts', "const x = await import('../app/main.ts')"),
    sourceOf('src/base/a.ts', "import '../../test/support/x.ts'"),
  ]
  for (const source of wrong) assert.equal(objections([source]).length, 1, source.text)
  const right = [
    sourceOf('src/backup/a.ts', "import { x } from '../repository/contract.ts'"),
    sourceOf('src/assurance/a.ts', "import { x } from '../backup/contract.ts'"),
    sourceOf('src/app/a.ts', "import { room } from '../cli/room.ts'"),
    sourceOf('src/base/a.ts', "// import { x } from '../app/main.ts'"),
  ]
  assert.deepEqual(objections(right), [])
})

test('app/rooms.ts lists every room.ts', () => {
  const listed = sources.find((source) => source.path === 'src/app/rooms.ts')?.imports.map((one) => one.target) ?? []
  const rooms = readdirSync(join(root, 'src')).filter(
    (room) => room !== 'base' && existsSync(join(root, 'src', room, 'room.ts')),
  )
  assert.ok(rooms.length > 0)
  const absent = rooms.filter((room) => !listed.includes(`src/${room}/room.ts`))
  assert.deepEqual(absent, [])
})

test('every room has a README with its invariants', () => {
  const rooms = [...new Set(product.map((source) => roomOf(source.path)!))]
  const without = rooms.filter((room) => room !== undefined && !existsSync(join(root, 'src', room, 'README.md')))
  assert.deepEqual(without, [])
})

test('no runtime cycle', () => {
  const graph = new Map(
    sources.map((source) => [source.path, source.imports.filter((one) => !one.isType).map((one) => one.target)]),
  )
  assert.deepEqual(cyclesOf(graph), [])
})

test('the rule sees a cycle', () => {
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c', undefined]],
    ['c', ['a']],
    ['d', ['a']],
  ])
  assert.deepEqual(cyclesOf(graph), ['a → b → c → a'])
})

function cyclesOf(graph: ReadonlyMap<string, readonly (string | undefined)[]>): readonly string[] {
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (node: string, trail: readonly string[]): void => {
    const at = trail.indexOf(node)
    if (at >= 0) cycles.push([...trail.slice(at), node].join(' → '))
    if (at >= 0 || done.has(node)) return
    for (const next of graph.get(node) ?? []) if (next !== undefined && graph.has(next)) visit(next, [...trail, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return cycles
}

test('no file over 600 lines', () => {
  const paths = folders.flatMap((folder) => filesIn(folder)).filter((path) => /\.(tsx?|js|sql|css)$/.test(path))
  const long = paths.filter((path) => readFileSync(join(root, path), 'utf8').split('\n').length > 601)
  assert.deepEqual(long, [])
})

const DOORS: readonly (readonly [string, RegExp])[] = [
  ['Date.now()', /\bDate\.now\b/],
  ['new Date()', /\bnew Date\(\s*\)/],
  ['performance.now()', /\bperformance\.now\b/],
  ['a timer', /\b(setTimeout|setInterval)\s*\(/],
  ['AbortSignal.timeout()', /\bAbortSignal\.timeout\b/],
  ['Math.random()', /\bMath\.random\b/],
  ['randomness of node:crypto', /\b(randomBytes|randomUUID|randomInt)\s*\(/],
  ['process.env', /\bprocess\.env\b/],
]

function forbiddenDoors(of: readonly Source[]): readonly string[] {
  return of
    .filter((source) => !isTest(source.path) && !['base', 'console'].includes(roomOf(source.path) ?? ''))
    .flatMap((source) =>
      DOORS.filter(([, pattern]) => pattern.test(source.code)).map(([name]) => `${source.path}: ${name}`),
    )
}

test('time, randomness and the environment enter through base', () => {
  assert.deepEqual(forbiddenDoors(product), [])
})

test('the rule sees each door, and neither comments nor texts', () => {
  const text =
    'Date.now(); new Date(); performance.now(); setTimeout(f); AbortSignal.timeout(1); Math.random(); randomBytes(4); process.env.X'
  assert.equal(forbiddenDoors([sourceOf('src/wal/a.ts', text)]).length, DOORS.length)
  assert.deepEqual(
    forbiddenDoors([sourceOf('src/wal/a.ts', "// Date.now()\nconst x = 'process.env' + new Date(5)")]),
    [],
  )
})

test('no folder or file is called utils, helpers, common or manager, and there are no barrels', () => {
  const paths = folders.flatMap((folder) => filesIn(folder))
  const named = paths.filter((path) =>
    path.split('/').some((part) => /^(utils?|helpers?|common|managers?)(\..*)?$/.test(part)),
  )
  const barrels = paths.filter((path) => /(^|\/)index\.[jt]sx?$/.test(path))
  assert.deepEqual([...named, ...barrels], [])
})

test('the table of design.md is the table of the code', () => {
  const design = readFileSync(join(root, 'doc/design/design.md'), 'utf8')
  const section = /\n## 4\. [\s\S]*?(?=\n## 5\. )/.exec(design)?.[0] ?? ''
  const rows = section.split('\n').filter((line) => /^\| [\d½]+ \|/.test(line))
  const documented = rows.map((line) => {
    const [, floor, rooms, , mayImport] = line.split('|').map((cell) => cell.trim())
    return { floor, rooms: [...rooms!.matchAll(/`([a-z]+)`/g)].map((match) => match[1]), mayImport }
  })
  assert.deepEqual(
    documented,
    floorTable.map(({ floor, rooms, mayImport }) => ({ floor, rooms: [...rooms], mayImport })),
  )
})
