import assert from 'node:assert/strict'
import { lstat, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { makeSocketFolder, socketFolder } from './socket.ts'

test('a path that is too long gives a short one, the same each time', () => {
  assert.equal(socketFolder('/var/lib/wharf/run'), '/var/lib/wharf/run')
  const long = `/${'x'.repeat(120)}`
  assert.equal(socketFolder(long, '/tmp'), socketFolder(long, '/tmp'))
  assert.ok(Buffer.byteLength(`${socketFolder(long, `/${'y'.repeat(90)}`)}/.s.PGSQL.65535.lock`) <= 103)
})

test('a link that lies where the folder should be is refused and left alone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-socket-'))
  try {
    const link = join(folder, 'run')
    await symlink(folder, link)
    await assert.rejects(makeSocketFolder(link, undefined), {
      code: 'warehouse.foreign-socket-folder',
      message: `the folder for the server's socket belongs to somebody else: ${link}`,
    })
    assert.ok((await lstat(link)).isSymbolicLink())
    await makeSocketFolder(join(folder, 'own'), undefined)
    await makeSocketFolder(join(folder, 'own'), undefined)
    assert.equal((await lstat(join(folder, 'own'))).mode & 0o777, 0o700)
  } finally {
    await rm(folder, { recursive: true })
  }
})
