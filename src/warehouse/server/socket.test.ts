import assert from 'node:assert/strict'
import { test } from 'node:test'

import { socketFolder } from './socket.ts'

test('a short folder stays, a long one is replaced by one that is always the same', () => {
  assert.equal(socketFolder('/var/lib/wharf/control/run', '/tmp'), '/var/lib/wharf/control/run')
  const long = `/home/${'x'.repeat(90)}/run`
  const short = socketFolder(long, '/tmp')
  assert.match(short, /^\/tmp\/wharf-[0-9a-f]{10}$/)
  assert.equal(socketFolder(long, '/tmp'), short)
  assert.notEqual(socketFolder(`${long}2`, '/tmp'), short)
  // macOS: a temporary folder can itself be too long.
  assert.match(socketFolder(long, `/var/folders/${'y'.repeat(80)}/T`), /^\/tmp\/wharf-/)
})
