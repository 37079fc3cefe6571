import assert from 'node:assert/strict'
import { test } from 'node:test'

import { systemClock, type Clock } from '../base/clock.ts'
import { createContext } from '../base/context.ts'
import { processEnvironment } from '../base/environment.ts'
import { defineErrors, isWharfError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { Context, Daemon } from '../base/room.ts'
import { supervise } from './supervise.ts'

const errors = defineErrors('x', {
  portTaken: { exit: 'environment', message: (port: number) => `port ${port} is taken` },
  away: { exit: 'unreachable', passing: true, message: () => 'the server is away' },
})

/** A clock whose waits are over at once; remembers how long they were. */
function quickClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = []
  return {
    ...systemClock,
    waits,
    sleep: async (ms, signal) => {
      waits.push(ms)
      await systemClock.sleep(1, signal)
    },
  }
}

function contextWith(clock: Clock, lines: string[] = []): Context {
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (_fields, line) => lines.push(line),
    error: (_fields, line) => lines.push(line),
    child: () => log,
  }
  const parts = {
    clock,
    random: seededRandom(1),
    environment: processEnvironment(),
    log,
    home: '/h',
    configFile: '/h/w',
    rooms: [],
    sections: {},
  }
  return createContext(parts, new AsyncDisposableStack())
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

const steady: Daemon = { name: 'steady', run: (_context, signal) => untilAborted(signal) }

test('a failing daemon starts again with growing delays, beside the others', async () => {
  const stop = new AbortController()
  const lines: string[] = []
  const clock = quickClock()
  let starts = 0
  const flaky: Daemon = {
    name: 'flaky',
    run: async (_context, signal) => {
      starts += 1
      if (starts < 5) throw errors.away(undefined)
      stop.abort()
      await untilAborted(signal).catch(() => {})
    },
  }
  const quiet: Daemon = {
    ...flaky,
    run: async (context, signal, tools) => (starts < 4 ? flaky.run(context, signal, tools) : stop.abort()),
  }
  assert.deepEqual(
    await supervise({
      context: contextWith(clock, lines),
      daemons: [steady, quiet],
      signal: stop.signal,
      announce: () => {},
    }),
    { left: [] },
  )
  assert.deepEqual(lines.slice(0, 2), ['flaky failed: the server is away', 'flaky failed: the server is away'])
  const delays = clock.waits.slice(0, 4)
  assert.ok(delays[0]! >= 1000 && delays[1]! >= 2000 && delays[2]! >= 4000 && delays[3]! >= 8000, String(delays))
})

test('a lasting error at the very start ends the program and stops the rest', async () => {
  let stopped = false
  const other: Daemon = {
    name: 'other',
    run: async (_context, signal) => {
      await untilAborted(signal)
      stopped = true
    },
  }
  const server: Daemon = { name: 'server', run: () => Promise.reject(errors.portTaken(80)) }
  const signal = new AbortController().signal
  await assert.rejects(
    supervise({ context: contextWith(quickClock()), daemons: [other, server], signal, announce: () => {} }),
    (error) => isWharfError(error, 'x.port-taken'),
  )
  assert.ok(stopped)
})

test('a defect at the start is reported and tried again', async () => {
  const stop = new AbortController()
  const lines: string[] = []
  let starts = 0
  const broken: Daemon = {
    name: 'broken',
    run: () => {
      starts += 1
      if (starts === 3) stop.abort()
      return Promise.reject(new TypeError('no such thing'))
    },
  }
  await supervise({
    context: contextWith(quickClock(), lines),
    daemons: [broken],
    signal: stop.signal,
    announce: () => {},
  })
  assert.deepEqual(lines, ['broken failed: no such thing', 'broken failed: no such thing'])
})

test('stopping: drain, then hurry, then the names of what is left', async () => {
  const stop = new AbortController()
  const steps: string[] = []
  const slow: Daemon = {
    name: 'slow',
    run: async (_context, signal, { hurry }) => {
      await untilAborted(signal)
      steps.push('drain')
      await untilAborted(hurry)
      steps.push('hurry')
    },
  }
  const stuck: Daemon = { name: 'stuck', run: () => new Promise(() => {}) }
  const running = supervise({
    context: contextWith(systemClock),
    daemons: [slow, stuck, steady],
    signal: stop.signal,
    announce: () => {},
    bounds: { drainMs: 20, abortMs: 20 },
  })
  stop.abort()
  assert.deepEqual(await running, { left: ['stuck'] })
  assert.deepEqual(steps, ['drain', 'hurry'])
})

test('daemons that have nothing to do end the program', async () => {
  const idle: Daemon = { name: 'idle', run: () => Promise.resolve() }
  const announced: string[] = []
  const telling: Daemon = {
    name: 'telling',
    run: (_context, _signal, { announce }) => {
      announce('console: http://127.0.0.1:1')
      return Promise.resolve()
    },
  }
  const signal = new AbortController().signal
  assert.deepEqual(
    await supervise({
      context: contextWith(systemClock),
      daemons: [idle, telling],
      signal,
      announce: (line) => announced.push(line),
    }),
    { left: [] },
  )
  assert.deepEqual(announced, ['console: http://127.0.0.1:1'])
})
