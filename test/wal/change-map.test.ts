// Our change maps against PostgreSQL's own WAL summaries (17 and later): nothing they name may be missing in ours.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'

import { decodeChangeMap, encodeChangeMap } from '../../src/repository/wal/change-map.ts'
import { parseLsn } from '../../src/wal/lsn.ts'
import { startServer } from '../support/postgres.ts'
import { beyond, contents, missing, ourMaps, summaries } from './summaries.ts'
import { runWorkload, workloadSettings } from './workload.ts'

describe('change maps', { concurrency: 1 }, () => {
  for (const major of [17, 18] as const) {
    it(`hold all that the WAL summaries of PostgreSQL ${major} hold`, { timeout: 180_000 }, async (t) => {
      await using server = await startServer({ major, settings: { ...workloadSettings, summarize_wal: 'on' } })
      const before = (await summaries(server)).length
      await runWorkload(server)
      await server.psql('CHECKPOINT')
      await server.psql(
        "INSERT INTO plain SELECT n, 'x', 1 FROM generate_series(200000, 203000) n; CHECKPOINT; CHECKPOINT",
      )
      const [target] = await server.psql<{ lsn: string }>('SELECT redo_lsn::text AS lsn FROM pg_control_checkpoint()')
      let found = await summaries(server)
      while ((found.at(-1)?.endLsn ?? 0n) < parseLsn(target!.lsn)) {
        await delay(100)
        found = await summaries(server)
      }
      const wanted = found.slice(before)
      const maps = await ourMaps(server, wanted)
      assert.equal(maps.length, wanted.length)
      let rowCount = 0
      for (const [n, map] of maps.entries()) {
        const rows = await contents(server, wanted[n]!)
        rowCount += rows.length
        assert.deepEqual(map.doubts, [])
        assert.deepEqual(missing(map, rows), [])
        assert.deepEqual(beyond(map, rows), [])
        const copy = decodeChangeMap(encodeChangeMap(map), 'a map')
        assert.deepEqual([...copy.entries()], [...map.entries()])
      }
      assert.ok(rowCount > 3000, `only ${rowCount} rows compared`)
      t.diagnostic(
        `${maps.length} summaries, ${rowCount} rows; main and init forks equal, no block missing in the others`,
      )
    })
  }
})
