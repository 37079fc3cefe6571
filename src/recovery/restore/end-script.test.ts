import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { endCommand, endScriptName, writeEndScript } from './end-script.ts'
import { formatSettings, withRecovery } from './settings.ts'

const auto = 'postgresql.auto.conf'
const own = "work_mem = '5MB'\n"
const settings = { restore_command: 'x', recovery_end_command: endCommand }

async function recovered(t: TestContext, text: string): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'wharf-end-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'wharf-wal-ahead'))
  await writeFile(join(root, 'wharf-wal-get.json'), 'keys')
  await writeFile(join(root, auto), text)
  const leftovers = ['wharf-wal-get.json', 'wharf-wal-ahead'].map((name) => join(root, name))
  assert.equal(await writeEndScript(root, leftovers, undefined), endCommand)
  return root
}

function run(root: string, PATH = '/usr/bin:/bin'): { status: number | null; stderr: string } {
  return spawnSync('/bin/sh', ['-c', endCommand], { cwd: root, env: { PATH }, encoding: 'utf8' })
}

test('what only replay needed goes, the script too, and a second time there is nothing to do', async (t) => {
  const root = await recovered(t, withRecovery(own, settings))
  for (let times = 0; times < 2; times++) {
    const { status, stderr } = run(root)
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(await readdir(root), [auto])
    assert.equal(await readFile(join(root, auto), 'utf8'), own)
  }
})

test('what fails there never ends as PostgreSQL takes for a reason not to open: above 125', async (t) => {
  const root = await recovered(t, withRecovery(own, settings))
  const { status, stderr } = run(root, '/nowhere')
  assert.equal(status, 1)
  assert.match(stderr, /not found/)
  assert.ok((await readdir(root)).includes(endScriptName), 'which tells that it has not come to its end')
})

test('settings that lost their marks are named in the log', async (t) => {
  const root = await recovered(t, own + formatSettings(settings))
  const { status, stderr } = run(root)
  assert.equal(status, 0)
  assert.equal(
    stderr,
    'wharf: recovery settings are still in postgresql.auto.conf: ALTER SYSTEM has taken away the marks around them; reset them by hand\n',
  )
  assert.deepEqual(await readdir(root), [auto])
})
