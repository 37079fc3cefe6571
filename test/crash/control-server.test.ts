// The embedded control database after every kind of sudden death: ours, the server's, a stale pid file, an orphan, a zombie.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { systemClock } from '../../src/base/clock.ts'
import { controlDatabase, type ControlDatabase } from '../../src/control/contract.ts'
import { room } from '../../src/control/room.ts'
import { serverRuns } from '../../src/warehouse/servers.ts'
import { inspectPostmaster, lifeOf, processesIn } from '../../src/warehouse/server/postmaster.ts'
import { testContext } from '../support/context.ts'
import { scratchFolder } from '../support/postgres.ts'

const child = fileURLToPath(new URL('../support/control-child.ts', import.meta.url))

/** A home whose server is stopped when the test ends, however it ends. */
async function home(): Promise<AsyncDisposable & { readonly path: string; readonly data: string }> {
  const scratch = await scratchFolder()
  const path = join(scratch.path, 'home')
  const data = join(path, 'control', 'data')
  return {
    path,
    data,
    [Symbol.asyncDispose]: async () => {
      const found = await inspectPostmaster(data)
      if (found.state === 'running') process.kill(found.file.pid, 'SIGQUIT')
      while ((await processesIn(data)).length > 0) await systemClock.sleep(20)
      await scratch[Symbol.asyncDispose]()
    },
  }
}

class User implements AsyncDisposable {
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly complaints: string[] = []

  constructor(path: string) {
    this.process = spawn(process.execPath, [child, path], { stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface({ input: this.process.stdout! }).on('line', (line) => this.lines.push(line))
    createInterface({ input: this.process.stderr! }).on('line', (line) => this.complaints.push(line))
  }

  async says(word: string, from = 0): Promise<void> {
    while (!this.lines.slice(from).some((line) => line.startsWith(word))) {
      // Killed, too: whoever waits for it would wait for ever.
      const { exitCode, signalCode } = this.process
      const said = [...this.lines, ...this.complaints].join('\n')
      assert.deepEqual({ exitCode, signalCode }, { exitCode: null, signalCode: null }, `the child ended: ${said}`)
      await systemClock.sleep(10)
    }
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = once(this.process, 'exit')
    this.process.kill(signal)
    await ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
  }
}

async function opened(path: string, scope: AsyncDisposableStack): Promise<ControlDatabase> {
  return await testContext({ home: path, rooms: [room] }, scope).use(controlDatabase)
}

async function serverPid(data: string): Promise<number> {
  const found = await inspectPostmaster(data)
  return found.state === 'running' ? found.file.pid : 0
}

test('kill −9 of the only user leaves an orphan, which the next one adopts and stops', async () => {
  await using place = await home()
  await using user = new User(place.path)
  await user.says('alive')
  const pid = await serverPid(place.data)
  await user.end('SIGKILL')
  assert.equal(await serverRuns(place.data), true)
  {
    await using scope = new AsyncDisposableStack()
    const database = await opened(place.path, scope)
    assert.equal(await serverPid(place.data), pid)
    const [row] = await database.query<{ count: bigint }>('select count(*) as count from control.event')
    assert.ok(row!.count >= 1n)
  }
  assert.equal(await serverRuns(place.data), false)
})

test('kill −9 while it starts, at many moments: the next start always works', async () => {
  await using place = await home()
  // From before initdb to after the migrations (about a second here).
  for (const delay of [20, 150, 300, 450, 600, 800, 1100, 1500]) {
    await using user = new User(place.path)
    await systemClock.sleep(delay)
    await user.end('SIGKILL')
  }
  await using scope = new AsyncDisposableStack()
  const database = await opened(place.path, scope)
  assert.deepEqual(await database.query('select 1::int8 as one'), [{ one: 1n }])
})

test('the server is killed while two processes use it: both go on, with nothing lost that was confirmed', async () => {
  await using place = await home()
  await using first = new User(place.path)
  await using second = new User(place.path)
  await Promise.all([first.says('alive'), second.says('alive')])
  process.kill(await serverPid(place.data), 'SIGKILL')
  const marks = [first.lines.length, second.lines.length]
  const confirmed = [first, second].map((one) => one.lines.filter((line) => line === 'alive').length)
  await systemClock.sleep(300)
  await Promise.all([first.says('alive', marks[0]! + 1), second.says('alive', marks[1]! + 1)])
  await using scope = new AsyncDisposableStack()
  const database = await opened(place.path, scope)
  const rows = await database.query<{ subject: string; count: bigint }>(
    'select subject, count(*) as count from control.event group by subject',
  )
  for (const [index, one] of [first, second].entries()) {
    const row = rows.find((found) => found.subject === String(one.process.pid))
    assert.ok(Number(row?.count) >= confirmed[index]!, 'every confirmed event is there')
  }
  await first.end('SIGTERM')
  assert.equal(await serverRuns(place.data), true, 'somebody else is still there')
  await second.end('SIGTERM')
  assert.equal(await serverRuns(place.data), true, 'this process is still there')
})

test('a stale pid file, also one whose number is in use again, does not keep it from starting', async () => {
  await using place = await home()
  const file = join(place.data, 'postmaster.pid')
  {
    await using scope = new AsyncDisposableStack()
    await opened(place.path, scope)
  }
  for (const pid of [3_999_999, process.pid]) {
    await writeFile(file, `${pid}\n${place.data}\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234  5678\nready   \n`)
    await using scope = new AsyncDisposableStack()
    const database = await opened(place.path, scope)
    assert.deepEqual(await database.query('select 1::int8 as one'), [{ one: 1n }])
    assert.equal((await readFile(file, 'utf8')).startsWith(`${pid}\n`), false)
  }
})

test(
  'a zombie postmaster whose parent never reaps it is recognised',
  { skip: platform() !== 'linux' && 'zombies are made with /proc here' },
  async () => {
    await using place = await home()
    {
      await using scope = new AsyncDisposableStack()
      await opened(place.path, scope)
    }
    // A shell that starts a process, then becomes one that never waits for it.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
      const pid = Number(line)
      const command = `/proc/${parent.pid}/comm`
      while ((await readFile(command, 'utf8')) !== 'sleep\n') await systemClock.sleep(10)
      process.kill(pid, 'SIGKILL')
      while ((await lifeOf(pid)) === 'alive') await systemClock.sleep(10)
      assert.equal(await lifeOf(pid), 'zombie')
      const text = `${pid}\n${place.data}\n1700000000\n5432\n/tmp\n127.0.0.1\n  1234  5678\nready   \n`
      await writeFile(join(place.data, 'postmaster.pid'), text)
      assert.deepEqual(await inspectPostmaster(place.data), { state: 'zombie', pid })
      await using scope = new AsyncDisposableStack()
      const database = await opened(place.path, scope)
      assert.deepEqual(await database.query('select 1::int8 as one'), [{ one: 1n }])
      assert.equal(await lifeOf(pid), 'zombie')
    } finally {
      parent.kill('SIGKILL')
    }
  },
)

test('many processes that come and go at once never fail and leave no server behind', async () => {
  await using place = await home()
  const users = Array.from({ length: 4 }, () => new User(place.path))
  try {
    for (let round = 0; round < 3; round++) {
      await Promise.all(
        users.map(async (user, index) => {
          await user.says('alive')
          await user.end('SIGTERM')
          assert.equal(user.process.exitCode, 0)
          if (round < 2) users[index] = new User(place.path)
        }),
      )
    }
  } finally {
    for (const user of users) await user.end('SIGKILL')
  }
  assert.equal(await serverRuns(place.data), false)
})
