// Programs that give or guard keys. Keys pass through their standard input and output only: never through arguments, the environment or a log.
import { spawn } from 'node:child_process'

import { codeOf, messageOf } from '../../base/errors.ts'
import { withTimeLimit } from '../../base/clock.ts'
import { KIB } from '../../base/units.ts'
import { keyErrors as errors } from '../key-errors.ts'

const MOST_OUTPUT_BYTES = 64 * KIB
const MOST_COMPLAINT = 200

export interface KeyProgram {
  /** Program and arguments; no shell is involved. */
  readonly argv: readonly string[]
  readonly timeoutMs: number
}

/** What the program writes to its standard output. Rejects with `repository.key-program` where it fails, says too much, or takes too long. */
export async function runKeyProgram(
  { argv, timeoutMs }: KeyProgram,
  of: { more?: readonly string[]; input?: Buffer; signal: AbortSignal },
): Promise<Buffer> {
  const [program, ...rest] = [...argv, ...(of.more ?? [])]
  const signal = withTimeLimit(of.signal, timeoutMs)
  const fail = (reason: string, cause?: unknown): Error => errors.keyProgram({ program: program!, reason }, { cause })
  const child = spawn(program!, rest, { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
  const output: Buffer[] = []
  let complaint = ''
  let bytes = 0
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= MOST_OUTPUT_BYTES) output.push(chunk)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (complaint.length < MOST_COMPLAINT) complaint += text
  })
  // One that does not read its input is no failure: what counts is what it answers.
  child.stdin.on('error', () => {})
  child.stdin.end(of.input)
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject)
  child.on('close', resolve)
  let code: number | null
  try {
    code = await promise
  } catch (error) {
    of.signal.throwIfAborted()
    if (signal.aborted) throw fail(`no answer within ${timeoutMs / 1000} s`, error)
    throw fail(codeOf(error) === 'ENOENT' ? 'there is no such program' : messageOf(error), error)
  }
  if (code !== 0) {
    const said = complaint.trim().split('\n')[0]!.slice(0, MOST_COMPLAINT)
    throw fail(`it ended with ${code ?? 'a signal'}${said === '' ? '' : `: ${said}`}`)
  }
  if (bytes > MOST_OUTPUT_BYTES) throw fail('it answered with more than 64 kB')
  return Buffer.concat(output)
}
