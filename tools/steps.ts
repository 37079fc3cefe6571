// Steps of verify and test: a command or a set of test files, timed, counted, with what failed kept for the end.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { globSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** A file of tests that hangs must not hold the rest for ever. */
const FILE_LIMIT_MS = 15 * 60_000

export interface Failure {
  readonly name: string
  readonly text: string
}

export interface Tally {
  passed: number
  readonly failures: Failure[]
  readonly skipped: { readonly name: string; readonly reason: string }[]
}

export function emptyTally(): Tally {
  return { passed: 0, failures: [], skipped: [] }
}

/** Runs `work`, prints `name … seconds` and adds what it counted to `tally`. */
export async function step(name: string, tally: Tally, work: () => Promise<Tally>): Promise<void> {
  const started = performance.now()
  const result = await work()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const counts = [`${result.passed} passed`, `${result.failures.length} failed`]
  if (result.skipped.length > 0) counts.push(`${result.skipped.length} skipped`)
  console.log(
    `${result.failures.length === 0 ? 'ok    ' : 'FAILED'}  ${name.padEnd(24)} ${seconds.padStart(7)} s  ${counts.join(', ')}`,
  )
  for (const failure of result.failures) console.log(indent(`✖ ${failure.name}\n${failure.text}`))
  tally.passed += result.passed
  tally.failures.push(...result.failures)
  tally.skipped.push(...result.skipped)
}

/** A command that passes with exit code 0; its output is shown only if it fails. Counts as one. */
export async function command(name: string, program: string, args: readonly string[]): Promise<Tally> {
  const { code, output } = await execute(program, args)
  const tally = emptyTally()
  if (code === 0) tally.passed = 1
  else tally.failures.push({ name, text: output })
  return tally
}

export function execute(program: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }))
  })
}

/** A program of node_modules/.bin. */
export function local(name: string): string {
  return join(root, 'node_modules', '.bin', name)
}

/** Files that match, from the root of the project. */
export function files(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: root, exclude: (path) => path.includes('node_modules') }).sort()
}

/** Groups of suites with servers: folders of test/ that hold test files. */
export function groups(): readonly string[] {
  const other = ['accept', 'support', 'servers', 'architecture']
  const folders = readdirSync(join(root, 'test'), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && !other.includes(entry.name),
  )
  return folders
    .map((entry) => entry.name)
    .filter((name) => files(`test/${name}/**/*.test.ts`).length > 0)
    .sort()
}

export interface TestOptions {
  readonly concurrency: number
  /** Print each test as it ends. */
  readonly verbose: boolean
}

/** Runs test files, each in a process of its own, and counts their tests. A file with no test at all is a failure. */
export function tests(paths: readonly string[], options: TestOptions): Promise<Tally> {
  const tally = emptyTally()
  if (paths.length === 0) return Promise.resolve(tally)
  // Each file is a process of its own, with threads and programs of its own: types are stripped once for all of them (half the CPU time of loading).
  process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules/.cache/compile')
  const stream = run({
    files: paths.map((path) => join(root, path)),
    concurrency: options.concurrency,
    timeout: FILE_LIMIT_MS,
    cwd: root,
  })
  stream.on('test:pass', (event) => {
    const name = `${place(event.file)}: ${event.name}`
    if (event.details.type === 'suite') return
    if (event.skip !== undefined && event.skip !== false)
      tally.skipped.push({ name, reason: event.skip === true ? 'no reason given' : event.skip })
    else if (isFile(event)) tally.failures.push({ name, text: 'the file holds no test' })
    else tally.passed += 1
    if (options.verbose)
      console.log(
        `  ${event.skip === undefined ? '✔' : '–'} ${name} (${(event.details.duration_ms / 1000).toFixed(1)} s)`,
      )
  })
  stream.on('test:fail', (event) => {
    // A parent fails with its children: only what failed itself counts.
    const error = event.details.error as Error & { failureType?: string; cause?: unknown }
    if (error.failureType === 'subtestsFailed') return
    const name = `${place(event.file)}: ${event.name}`
    tally.failures.push({ name, text: describe(error) })
    if (options.verbose) console.log(`  ✖ ${name} (${(event.details.duration_ms / 1000).toFixed(1)} s)`)
  })
  // Without a reader the stream stands still.
  stream.resume()
  return new Promise((resolve) => stream.on('end', () => resolve(tally)))
}

function isFile(event: { name: string; file?: string | undefined; nesting: number }): boolean {
  return (
    event.nesting === 0 &&
    event.file !== undefined &&
    (event.name === event.file || event.name === relative(root, event.file))
  )
}

function place(file: string | undefined): string {
  return file === undefined ? '' : relative(root, file)
}

function describe(error: Error & { cause?: unknown }): string {
  const { cause } = error
  const text =
    cause instanceof Error ? (cause.stack ?? cause.message) : typeof cause === 'string' ? cause : error.message
  return text.split('\n').slice(0, 40).join('\n')
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '        ')
}

/** Prints what was skipped and what failed, then the counts as the very last line; gives the exit code. */
export function conclude(tally: Tally): number {
  const reasons = Map.groupBy(tally.skipped, (one) => one.reason)
  if (reasons.size > 0) console.log('\nNot run here:')
  for (const [reason, skipped] of reasons)
    console.log(`  ${reason}\n${skipped.map((one) => `    ${one.name}`).join('\n')}`)
  if (tally.failures.length > 0) console.log(`\nFailed:\n${tally.failures.map((one) => `  ${one.name}`).join('\n')}`)
  const counts = [`${tally.passed} passed`, `${tally.failures.length} failed`]
  if (tally.skipped.length > 0) counts.push(`${tally.skipped.length} skipped`)
  console.log(`\n${counts.join(', ')}`)
  return tally.failures.length === 0 ? 0 : 1
}

/** Types, lint, format, architecture, unit tests: what must hold before anything is committed. */
export async function verifySteps(tally: Tally): Promise<void> {
  const folders = ['src', 'test', 'tools', 'bench', 'examples'].filter((folder) => existsSync(join(root, folder)))
  await step('types', tally, () => command('tsc', local('tsc'), ['--noEmit']))
  if (existsSync(join(root, 'src/console/tsconfig.json'))) {
    await step('types of the console', tally, () =>
      command('tsc -p src/console', local('tsc'), ['--noEmit', '-p', 'src/console']),
    )
  }
  await step('lint', tally, () => command('oxlint', local('oxlint'), ['--type-aware', '--deny-warnings']))
  await step('format', tally, () => command('oxfmt --check', local('oxfmt'), ['--check', ...folders]))
  await step('architecture', tally, () =>
    tests(files('test/architecture/*.test.ts'), { concurrency: 1, verbose: false }),
  )
  await step('unit tests', tally, () => tests(files('src/**/*.test.ts'), { concurrency: 2, verbose: false }))
}
