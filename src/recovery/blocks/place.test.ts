import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseLsn } from '../../wal/lsn.ts'
import { demandOwnWal, type HealPlace } from './place.ts'

const place = (kind: HealPlace['kind']): HealPlace =>
  ({ kind, facts: { timeline: 1 }, control: { timeline: 1 } }) as unknown as HealPlace
const serverLsn = parseLsn('0/5000028')

test('WAL that the server never wrote gives no page of it', () => {
  const message =
    "the server's timeline 1 is not the one in the repository: the repository has WAL up to 0/7000000, and the server is at 0/5000028 only"
  for (const kind of ['online', 'stopped'] as const) {
    demandOwnWal(place(kind), { toLsn: serverLsn, serverLsn })
    assert.throws(() => demandOwnWal(place(kind), { toLsn: parseLsn('0/7000000'), serverLsn }), { message })
  }
  // The record of the checkpoint that it shut down with.
  demandOwnWal(place('stopped'), { toLsn: serverLsn + 120n, serverLsn })
})
