// What a user gets from `npm install wharfinger`: the packed tarball in an empty folder, no install script run, started by the Node
// that is on the PATH (20 on common machines).
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { missing, requirement } from '../support/requirements.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'wharf-install-'))
after(() => rmSync(folder, { recursive: true }))

/** The PATH without this project's node_modules/.bin, which npm puts in front. */
const path = (process.env['PATH'] ?? '')
  .split(':')
  .filter((part) => !part.includes('node_modules'))
  .join(':')
const environment = { ...process.env, PATH: path, WHARF_HOME: join(folder, 'home'), WHARF_CONFIG: '', NO_COLOR: '1' }

function run(
  program: string,
  args: readonly string[],
  cwd = folder,
): { code: number | null; out: string; err: string } {
  const result = spawnSync(program, args, { cwd, env: environment, encoding: 'utf8' })
  return { code: result.status, out: result.stdout, err: result.stderr }
}

const wharf = join(folder, 'node_modules', '.bin', 'wharf')
let failure: string | undefined

before(() => {
  if (missing('npm') !== undefined) return
  chmodSync(folder, 0o755)
  const packed = run('npm', ['pack', '--pack-destination', folder, '--silent'], root)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  if (packed.code !== 0 || tarball === undefined) failure = `npm pack: ${packed.err}`
  else {
    const installed = run('npm', [
      'install',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefix',
      folder,
      join(folder, tarball),
    ])
    if (installed.code !== 0) failure = `npm install: ${installed.err}`
  }
})

test('wharf version runs from the installed package', (t) => {
  if (!requirement(t, 'npm')) return
  assert.equal(failure, undefined)
  const { code, out, err } = run(wharf, ['version', '--json'])
  assert.equal(code, 0, err)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const shown = JSON.parse(out) as { wharf: string; node: string }
  assert.equal(shown.wharf, version)
  assert.ok(Number(shown.node.split('.')[0]) >= 24, shown.node)
})

test('the installed package holds no source and no test, but all that the rooms read', (t) => {
  if (!requirement(t, 'npm')) return
  assert.equal(failure, undefined)
  const installed = join(folder, 'node_modules', 'wharfinger')
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
  assert.deepEqual(
    files.filter((name) => name.endsWith('.ts') || name.includes('.test.')),
    [],
  )
  assert.ok(files.includes(join('console', 'index.html')))
  const sql = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.sql'),
  )
  assert.ok(sql.length > 0)
  assert.deepEqual(
    sql.filter((name) => !files.includes(name)),
    [],
  )
})

test('doctor finds everything that the installation brings', (t) => {
  if (!requirement(t, 'npm')) return
  assert.equal(failure, undefined)
  const { out, err } = run(wharf, ['doctor', '--json'])
  const { checks } = JSON.parse(out) as { checks: { name: string; state: string }[] }
  for (const name of ['node', 'postgresql binaries', 'home']) {
    assert.equal(checks.find((check) => check.name === name)?.state, 'ok', `${name}\n${err}`)
  }
})

test('wal get of the installed package never looks like the end of WAL when it cannot run', (t) => {
  if (!requirement(t, 'npm')) return
  assert.equal(failure, undefined)
  assert.equal(run(wharf, ['wal', 'get']).code, 200)
})
