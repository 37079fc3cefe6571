// The real program in a real process: exit codes, signals, broken pipes, completion in real shells.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { requirement, type RequirementName } from '../support/requirements.ts'

const wharf = fileURLToPath(new URL('../../bin/wharf', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'wharf-cli-'))
after(() => rmSync(folder, { recursive: true }))
const environment = { ...process.env, WHARF_HOME: join(folder, 'home'), WHARF_CONFIG: '', NO_COLOR: '1' }

function run(...args: readonly string[]): { code: number | null; out: string; err: string } {
  const result = spawnSync(process.execPath, [wharf, ...args], { cwd: folder, env: environment, encoding: 'utf8' })
  return { code: result.status, out: result.stdout, err: result.stderr }
}

test('--json puts one document on standard output and everything else on standard error', () => {
  const good = run('doctor', '--json')
  assert.ok(Array.isArray((JSON.parse(good.out) as { checks: unknown }).checks))
  const bad = run('config', 'check', '--json', '--config', join(folder, 'none.yaml'))
  assert.equal(bad.code, 4)
  assert.equal((JSON.parse(bad.out) as { error: { code: string } }).error.code, 'config.not-there')
})

test('exit codes of usage, configuration, findings', () => {
  assert.equal(run('versoin').code, 2)
  writeFileSync(join(folder, 'bad.yaml'), 'warehuses: {}\n')
  assert.equal(run('config', 'explain', '--config', 'bad.yaml').code, 4)
  assert.equal(run('config', 'check', '--config', 'bad.yaml').code, 10)
  assert.equal(run('version').code, 0)
})

test('the configuration is found by option, variable and folder', () => {
  writeFileSync(join(folder, 'empty.yaml'), '')
  const file = join(folder, 'empty.yaml')
  assert.equal(run('config', 'check', '--config', file).out, `${file}: sound\n`)
  const byVariable = spawnSync(process.execPath, [wharf, 'config', 'check'], {
    cwd: folder,
    env: { ...environment, WHARF_CONFIG: file },
    encoding: 'utf8',
  })
  assert.equal(byVariable.stdout, `${file}: sound\n`)
})

test('a reader that leaves is no error', async () => {
  const child = spawn(
    'bash',
    ['-c', 'set -o pipefail; "$0" "$1" config schema | head -c 1; exit "${PIPESTATUS[0]}"', process.execPath, wharf],
    { cwd: folder, env: environment },
  )
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdout.resume()
  const code = await new Promise((resolve) => child.on('close', resolve))
  assert.deepEqual([code, err], [0, ''])
})

/** Asks a shell what it would offer. */
const shells: readonly (readonly [RequirementName, string])[] = [
  ['bash', 'source ./wharf.bash; COMP_WORDS=(wharf config ""); COMP_CWORD=2; _wharf; printf "%s\\n" "${COMPREPLY[@]}"'],
  ['fish', 'source ./wharf.fish; complete -C "wharf config " | cut -f1'],
  // zsh completes in its line editor alone: the functions it would call are replaced by ones that print.
  [
    'zsh',
    'compdef() { }; _files() { }; _describe() { local name=${@[-1]}; print -l -- "${(@)${(P)name}%%:*}" }; source ./wharf.zsh; words=(wharf config ""); CURRENT=3; _wharf',
  ],
]
for (const [shell, script] of shells) {
  test(`completion in ${shell}`, (t) => {
    if (!requirement(t, shell)) return
    writeFileSync(join(folder, `wharf.${shell}`), run('completion', shell).out)
    const { stdout, stderr } = spawnSync(shell, ['-c', script], { cwd: folder, encoding: 'utf8' })
    const offered = stdout.split('\n').filter((word) => word !== '' && !word.startsWith('-'))
    assert.deepEqual(offered.toSorted(), ['check', 'explain', 'schema'], stderr)
  })
}
