// Something that writes all the time: inserts, updates, deletes, vacuum that cuts tables, new and dropped tables, index builds.
import { systemClock } from '../../src/base/clock.ts'
import type { TestServer } from '../support/postgres.ts'

const rounds: readonly string[] = [
  `insert into sales select n, date '2026-10-01', n, 'late' from generate_series(1000000 + :k * 2000, 1000000 + :k * 2000 + 1999) n`,
  `update sales set amount = amount + 1 where id % 97 = :k % 97`,
  `delete from sales where id >= 1000000 + :k * 2000 + 500 and id < 1000000 + :k * 2000 + 1500`,
  `create table extra_:k as select n as id, md5(n::text) as body from generate_series(1, 3000) n; create index on extra_:k (id)`,
  `update wide set body = reverse(body) where id % 10 = :k % 10`,
  `delete from extra_:k where id > 200`,
  `vacuum extra_:k`,
  `insert into extra_:k select n, 'again' from generate_series(1, 500) n`,
  `insert into part select n, date '2026-02-01' + n % 20 from generate_series(1, 200) n`,
  `truncate part_old; insert into part_old select n, date '2026-01-05' from generate_series(1, 100 + :k) n`,
  `insert into scratch select n, 'y' from generate_series(100000 + :k * 100, 100000 + :k * 100 + 99) n`,
  `drop table if exists extra_:j`,
]

export interface Load {
  /** Resolves after so many more rounds. */
  someRounds(count: number): Promise<void>
  stop(): Promise<void>
}

/** `pauseMs` after every statement: less WAL. */
export function startLoad(server: TestServer, pauseMs = 0): Load {
  const state = { stopped: false, round: 0 }
  const running = (async () => {
    await using client = await server.connect()
    while (!state.stopped) {
      const k = ++state.round
      for (const statement of rounds) {
        await client.query(statement.replaceAll(':k', String(k)).replaceAll(':j', String(Math.max(0, k - 3))))
        if (state.stopped) break
        if (pauseMs > 0) await systemClock.sleep(pauseMs)
      }
    }
  })()
  running.catch(() => {})
  const someRounds = async (count: number): Promise<void> => {
    const until = state.round + count
    while (state.round < until) await Promise.race([running, systemClock.sleep(20)])
  }
  return {
    someRounds,
    stop: async () => {
      state.stopped = true
      await running
    },
  }
}
