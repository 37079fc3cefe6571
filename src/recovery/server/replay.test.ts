import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { lastComplaint } from './replay.ts'

const fatal =
  '2026-11-29 20:00:00.000 UTC [7] FATAL:  could not restore file "000000010000000000000007" from archive: child process exited with exit code 200'

test('the end of a server is told by its log, that of its restore_command by what the command said', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-complaint-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const log = join(folder, 'log')
  const told = async (lines: readonly string[]): Promise<string> => {
    await writeFile(log, lines.join('\n'))
    return await lastComplaint(log)
  }
  const plain =
    'could not restore file "000000010000000000000007" from archive: child process exited with exit code 200'
  assert.equal(await lastComplaint(join(folder, 'none')), 'its log says nothing')
  assert.equal(
    await told(['[1] LOG:  starting', '[7] FATAL:  the database system is shutting down']),
    'the database system is shutting down',
  )
  assert.equal(await told([fatal, '[1] LOG:  database system is shut down']), plain)
  assert.equal(
    await told(['[1] LOG:  starting', 'wharf wal get: cannot get WAL 000000010000000000000007: no answer', fatal, '']),
    `${plain}; its restore_command said: wharf wal get: cannot get WAL 000000010000000000000007: no answer`,
  )
})
