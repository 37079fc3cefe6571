import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { WhenFound } from './find.ts'
import { reportOf, reportText } from './report.ts'

test('the command that is shown can be run as it stands, whatever things are called', () => {
  const event = {
    kind: 'delete',
    xid: 700,
    startLsn: 0x2000n,
    endLsn: 0x2028n,
    timeUs: 0n,
    relations: ['sales.Or ders'],
    rows: { deleted: 3, updated: 0, inserted: 0 },
    isAtLeast: false,
    detail: '',
    load: undefined as string | undefined,
  } as const
  const found = (relation: string, load: string | undefined): WhenFound =>
    ({
      database: 'Dwh 1',
      relation,
      backup: { id: 'b' },
      oldestBackup: { stopLsn: 0x1000n },
      timeline: 1,
      events: [{ ...event, load }],
      wal: { fromLsn: 0n, toLsn: 0n, bytes: 0, readBytes: 0, chunks: 0 },
      notes: [],
    }) as unknown as WhenFound
  const command = (relation: string, load?: string): string | undefined =>
    reportText(reportOf(found(relation, load), { most: 9, timeline: undefined }))
      .split('\n')
      .find((line) => line.startsWith('wharf '))
  assert.equal(command('sales.orders'), "wharf recover table sales.orders --database 'Dwh 1' --lsn 0/2000")
  assert.equal(
    command('sales."Or ders"', "it's"),
    String.raw`wharf recover table 'sales."Or ders"' --database 'Dwh 1' --before-load 'it'\''s'`,
  )
})
