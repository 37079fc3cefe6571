import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { feedFolder, feedScript, feedScriptText } from './feed-script.ts'

const SEGMENT = '000000010000000000000007'

test('who waits for a segment says so again: a wish that was lost holds up nothing for ever', async () => {
  const root = await mkdtemp(join(tmpdir(), 'wharf-feed-'))
  const folder = join(root, feedFolder)
  await mkdir(folder)
  await writeFile(join(root, feedScript), feedScriptText(folder, process.pid))
  const script = spawn('/bin/sh', [join(root, feedScript), SEGMENT, join(root, 'taken')], { stdio: 'ignore' })
  const ended = once(script, 'exit')
  try {
    for (let times = 0; times < 2; times++) {
      while (
        !(await access(join(folder, 'want')).then(
          () => true,
          () => false,
        ))
      )
        await sleep(5)
      assert.equal(await readFile(join(folder, 'want'), 'utf8'), `${SEGMENT}\n`)
      await rm(join(folder, 'want'))
    }
    await writeFile(join(folder, SEGMENT), 'whole')
    assert.deepEqual(await ended, [0, null])
    assert.equal(await readFile(join(root, 'taken'), 'utf8'), 'whole')
  } finally {
    script.kill('SIGKILL')
    await rm(root, { recursive: true, force: true })
  }
})
