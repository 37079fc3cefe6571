import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'

import type { Clock } from '../base/clock.ts'
import { progressLine, progressView } from './progress.ts'

function fakeClock(): Clock & { pass(ms: number): void } {
  let now = 1000
  return { now: () => now, monotonic: () => now, sleep: () => Promise.resolve(), pass: (ms) => void (now += ms) }
}

function screen(isTTY: boolean): { stream: Writable & { isTTY: boolean; columns: number }; text: () => string } {
  let text = ''
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString()
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY, columns: 40 }), text: () => text }
}

test('a line says how far, how fast and how long', () => {
  const event = {
    phase: 'copying',
    done: 1_288_490_189,
    total: 4_294_967_296,
    unit: 'bytes',
    rate: 125_829_120,
    leftMs: 23_900,
    note: 'base/1/2',
  } as const
  assert.equal(progressLine(event), 'copying: 1.2 GB of 4.0 GB (30 %), 120 MB/s, 24 s left, base/1/2')
  assert.equal(progressLine({ phase: 'waiting' }), 'waiting')
  assert.equal(progressLine({ phase: 'reading', done: 5 }), 'reading: 5')
  assert.equal(progressLine({ phase: 'empty', done: 0, total: 0 }), 'empty: 0 of 0 (100 %)')
})

test('on a terminal one line changes, at most ten times a second', () => {
  const clock = fakeClock()
  const { stream, text } = screen(true)
  const view = progressView(stream, clock)
  view.show({ phase: 'copying', done: 1, total: 4 })
  view.show({ phase: 'copying', done: 2, total: 4 })
  clock.pass(100)
  view.show({ phase: 'copying', done: 3, total: 4 })
  view.clear()
  view.clear()
  assert.equal(text(), 'copying: 1 of 4 (25 %)\r\u001b[Kcopying: 3 of 4 (75 %)\r\u001b[K')
})

test('a line is never longer than the terminal', () => {
  const { stream, text } = screen(true)
  progressView(stream, fakeClock()).show({ phase: 'copying', note: 'x'.repeat(100) })
  assert.equal(text().length, 39)
})

test('elsewhere a line comes every five seconds and with each new phase', () => {
  const clock = fakeClock()
  const { stream, text } = screen(false)
  const view = progressView(stream, clock)
  view.show({ phase: 'copying', done: 0, total: 100 })
  for (let done = 1; done <= 10; done++) {
    clock.pass(1000)
    view.show({ phase: 'copying', done: done * 10, total: 100 })
  }
  view.show({ phase: 'ending' })
  view.clear()
  assert.deepEqual(text().split('\n'), [
    'copying: 0 of 100 (0 %)',
    'copying: 50 of 100 (50 %), 10/s, 5.0 s left',
    'copying: 100 of 100 (100 %), 10/s, 0 ms left',
    'ending',
    '',
  ])
})
