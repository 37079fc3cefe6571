// `npm run accept -- <item> [--count N] [--seed N] [--resume] [--budget 5m]`: counts that take long.
//
// An item is test/accept/<item>.ts that exports `run(options: AcceptOptions): Promise<AcceptResult>`. Case number n of a seed must always be
// the same case, so that a run can be resumed and a failure repeated. The log is kept under bench/results/.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { messageOf } from '../src/base/errors.ts'
import { parseDuration } from '../src/base/units.ts'
import { files, root } from './steps.ts'

export interface AcceptOptions {
  /** How many cases in all. */
  readonly count: number
  /** Chooses the cases, together with their numbers. */
  readonly seed: number
  /** The first case to run; cases before it have passed or failed already. */
  readonly resumeFrom: number
  /** To the terminal and the kept log. */
  log(line: string): void
  /** Call after each case: how many are done in all (with those before resumeFrom), and what failed in this one. */
  done(cases: number, failure?: string): void
  /** Aborted by Ctrl-C and when the budget is over: end with what is done. */
  readonly signal: AbortSignal
}

export interface AcceptResult {
  readonly passed: number
  readonly failed: number
}

interface Item {
  run(options: AcceptOptions): Promise<AcceptResult | undefined>
  /** Cases of a whole acceptance, where --count is left out. */
  readonly defaultCount?: number
}

interface State {
  readonly seed: number
  readonly count: number
  cases: number
  readonly failures: string[]
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    resume: { type: 'boolean', default: false },
    budget: { type: 'string' },
  },
})

const items = files('test/accept/*.ts').map((path) => /([^/]+)\.ts$/.exec(path)![1]!)
const [name] = positionals
if (name === undefined || !items.includes(name)) {
  console.error(
    `usage: npm run accept -- <item> [--count N] [--seed N] [--resume] [--budget 5m]\nitems: ${items.join(', ')}`,
  )
  process.exit(2)
}
process.exit(await accept(name))

async function accept(name: string): Promise<number> {
  const folder = join(root, 'bench/results')
  mkdirSync(folder, { recursive: true })
  const stateFile = join(folder, `accept-${name}.state.json`)
  const item = (await import(join(root, 'test/accept', `${name}.ts`))) as Item
  const state =
    values.resume && existsSync(stateFile) ? (JSON.parse(readFileSync(stateFile, 'utf8')) as State) : freshState(item)
  const logFile = join(folder, `accept-${name}-${state.seed}.log`)
  const log = (line: string): void => {
    console.log(line)
    appendFileSync(logFile, `${new Date().toISOString()} ${line}\n`)
  }
  const save = (): void => writeFileSync(stateFile, `${JSON.stringify(state, undefined, 2)}\n`)
  const signal = stopSignal()
  log(
    `${name}: seed ${state.seed}, cases ${state.cases} to ${state.count}${values.budget === undefined ? '' : `, budget ${values.budget}`}`,
  )
  const before = state.failures.length
  const done = (cases: number, failure?: string): void => {
    state.cases = cases
    if (failure !== undefined) state.failures.push(`case ${cases - 1}: ${failure}`)
    if (failure !== undefined) log(`FAILED case ${cases - 1}: ${failure}`)
    save()
  }
  try {
    const result = await item.run({ count: state.count, seed: state.seed, resumeFrom: state.cases, log, done, signal })
    if (result && result.failed > state.failures.length - before) state.failures.push(`${result.failed} cases failed`)
    if (result && !signal.aborted) state.cases = Math.max(state.cases, state.count)
  } catch (error) {
    if (!signal.aborted || state.cases === 0)
      state.failures.push(error instanceof Error ? (error.stack ?? error.message) : messageOf(error))
  }
  save()
  return conclude(name, state, log)
}

function freshState(item: Item): State {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
  return { seed, count: Number(values.count ?? item.defaultCount ?? 50), cases: 0, failures: [] }
}

function stopSignal(): AbortSignal {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Error('interrupted')))
  process.once('SIGTERM', () => stop.abort(new Error('interrupted')))
  if (values.budget !== undefined)
    setTimeout(() => stop.abort(new Error('the budget is over')), parseDuration(values.budget)).unref()
  return stop.signal
}

function conclude(name: string, state: State, log: (line: string) => void): number {
  if (state.cases < state.count)
    log(`${name}: ended early after ${state.cases} of ${state.count} cases; --resume goes on`)
  for (const failure of state.failures) log(`failed: ${failure}`)
  const failed = state.failures.length + (state.cases === 0 && state.failures.length === 0 ? 1 : 0)
  log(`${Math.max(0, state.cases - state.failures.length)} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}
