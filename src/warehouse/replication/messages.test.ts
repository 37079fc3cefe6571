import assert from 'node:assert/strict'
import { test } from 'node:test'

import { decodeMessage, encodeStatus } from './messages.ts'

test('WAL and keepalives are decoded, anything else is not', () => {
  const wal = Buffer.from('77 0000000001000000 0000000001000010 0002b9a5a1c5c000 aabbcc'.replaceAll(' ', ''), 'hex')
  const decoded = decodeMessage(wal)
  assert.deepEqual(decoded, {
    kind: 'wal',
    startLsn: 0x1000000n,
    serverLsn: 0x1000010n,
    bytes: Buffer.from('aabbcc', 'hex'),
  })
  const keepalive = Buffer.from('6b 0000000001000010 0002b9a5a1c5c000 01'.replaceAll(' ', ''), 'hex')
  assert.deepEqual(decodeMessage(keepalive), { kind: 'keepalive', serverLsn: 0x1000010n, wantsReply: true })
  for (const cut of [wal.subarray(0, 24), keepalive.subarray(0, 17), Buffer.from('z'), Buffer.alloc(0)]) {
    assert.equal(decodeMessage(cut), undefined)
  }
})

test('a status update carries the positions and the time since 2000', () => {
  const message = encodeStatus(
    { writtenLsn: 3n, flushedLsn: 2n },
    { nowMs: Date.UTC(2000, 0, 1, 0, 0, 1), wantsReply: true },
  )
  assert.equal(
    message.toString('hex'),
    `72${'3'.padStart(16, '0')}${'2'.padStart(16, '0')}${'2'.padStart(16, '0')}${(1_000_000).toString(16).padStart(16, '0')}01`,
  )
})
