// What lies between the process that feeds a sandbox with WAL and the shell that takes it: nothing gets lost however their steps fall between each other's.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { systemClock } from '../../src/base/clock.ts'
import { seededRandom } from '../../src/base/random.ts'
import { feedFolder, feedScript, feedScriptText } from '../../src/recovery/sandbox/feed-script.ts'
import type { FeedOrder } from '../../src/recovery/sandbox/wal-feed-thread.ts'
import { openFeed, type FeedParts } from '../../src/recovery/sandbox/wal-feed.ts'
import { segmentName } from '../../src/wal/segments.ts'
import { makeRepository } from '../backup/world.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? 5)
const MIB = 1024 * 1024
const SEGMENTS = 400
/** A shell that waits for ever is a failure, not a run that hangs. */
const timeout = 60_000
const nameOf = (n: number): string => segmentName(1, BigInt(n * 16 * MIB), 16 * MIB)

async function scratch(scope: AsyncDisposableStack): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-feed-'))
  scope.defer(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Answers late, as a disk that is busy does. `broken` cannot be read. */
function slowThreads(orders: string[], broken?: string): FeedParts['threads'] {
  const random = seededRandom(seed)
  const ended = new AbortController()
  const threads: FeedParts['threads'] = {
    count: 2,
    died: new Promise(() => {}),
    onFetched: () => {},
    order: ({ segment, path }: FeedOrder) => {
      orders.push(segment)
      void sleep(random.integer(25)).then(() => {
        if (ended.signal.aborted) return
        if (segment === broken)
          return threads.onFetched({ path, there: false, error: new Error(`${segment} is damaged`) })
        writeFileSync(path, segment)
        threads.onFetched({ path, there: true, error: undefined })
      })
    },
    [Symbol.asyncDispose]: () => Promise.resolve(ended.abort()),
  }
  return threads
}

async function feedParts(root: string): Promise<Omit<FeedParts, 'threads'>> {
  return {
    repository: await makeRepository(join(root, 'repository')),
    resolved: { history: { timeline: 1, spans: [], ranges: [] } as never },
    plan: {
      systemIdentifier: '1',
      postgresVersion: 180_000,
      walSegmentBytes: 16 * MIB,
      rewrite: false,
      switches: [],
      known: [],
    },
    root,
    owner: undefined,
    from: { lsn: BigInt(16 * MIB), timeline: 1 },
    forgets: false,
    clock: systemClock,
    signal: new AbortController().signal,
  }
}

test('a segment is fetched once and handed over whole, in order, however late it comes', { timeout }, async () => {
  await using scope = new AsyncDisposableStack()
  const root = await scratch(scope)
  const orders: string[] = []
  await using _ = await openFeed({
    ...(await feedParts(root)),
    threads: slowThreads(orders),
  })
  const names = Array.from({ length: SEGMENTS }, (_, n) => nameOf(n + 1))
  // One shell for all of them, so that one asks right behind the other as a server does that has nothing to replay.
  const all = names.map((name) => `/bin/sh ${feedScript} ${name} taken-${name} || exit $?`).join('\n')
  const server = spawn('/bin/sh', ['-c', all], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  assert.deepEqual(await once(server, 'exit'), [0, null])
  for (const name of names) assert.equal(await readFile(join(root, `taken-${name}`), 'utf8'), name)
  assert.deepEqual(orders.slice(0, SEGMENTS), names)
})

test(
  'a segment that is taken back between being seen and being taken is waited for; one that cannot be put down is a failure',
  { timeout },
  async () => {
    await using scope = new AsyncDisposableStack()
    const root = await scratch(scope)
    const [folder, bin] = [join(root, feedFolder), join(root, 'bin')]
    await mkdir(folder)
    await mkdir(bin)
    await writeFile(join(root, feedScript), feedScriptText(folder, process.pid))
    const name = nameOf(7)
    // The first time the segment is gone when it is to be moved.
    const mv = `#!/bin/sh\ncase $2 in *${name}) test -e ${root}/gone || { : >${root}/gone; rm -f "$2"; } ;; esac\nexec /bin/mv "$@"\n`
    await writeFile(join(bin, 'mv'), mv)
    await chmod(join(bin, 'mv'), 0o755)
    const run = (destination: string): ReturnType<typeof spawn> =>
      spawn('/bin/sh', [join(root, feedScript), name, destination], {
        stdio: 'ignore',
        env: { PATH: `${bin}:/usr/bin:/bin` },
      })
    await writeFile(join(folder, name), 'first')
    const waiting = run(join(root, 'taken'))
    const ended = once(waiting, 'exit')
    scope.defer(() => void waiting.kill('SIGKILL'))
    while (waiting.exitCode === null && (await readFile(join(folder, 'want'), 'utf8').catch(() => '')) === '')
      await sleep(5)
    await writeFile(join(folder, name), 'again')
    assert.deepEqual(await ended, [0, null])
    assert.equal(await readFile(join(root, 'taken'), 'utf8'), 'again')
    assert.equal(await readFile(join(folder, 'want'), 'utf8').catch(() => 'withdrawn'), 'withdrawn')

    await writeFile(join(folder, name), 'whole')
    assert.deepEqual(await once(run(join(root, 'no-such-folder', 'taken')), 'exit'), [200, null])
    await rm(join(folder, name))
  },
)

test('what cannot be fetched is a failure when the server asks for it, and not before', { timeout }, async () => {
  await using scope = new AsyncDisposableStack()
  const root = await scratch(scope)
  const broken = nameOf(5)
  await using feed = await openFeed({ ...(await feedParts(root)), threads: slowThreads([], broken) })
  const ask = async (n: number): Promise<unknown> =>
    await once(spawn('/bin/sh', [feedScript, nameOf(n), `taken-${nameOf(n)}`], { cwd: root, stdio: 'ignore' }), 'exit')
  for (let n = 1; n <= 4; n++) assert.deepEqual(await ask(n), [0, null])
  // It has long been tried by then.
  await sleep(300)
  assert.equal(feed.failed.aborted, false)
  assert.deepEqual(await ask(5), [200, null])
  assert.deepEqual(feed.failed.reason, new Error(`${broken} is damaged`))
})
