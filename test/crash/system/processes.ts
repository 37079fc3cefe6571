// `wharf …` as real processes: started, killed −9, and kept going as a service manager or an operator would.
import { spawn, type ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const launcher = fileURLToPath(new URL('../../../bin/wharf', import.meta.url))
/** Of each stream: enough for a document and its errors, whatever a process says in an hour. */
const MOST_CHARACTERS = 1_000_000

export interface Ended {
  readonly code: number | null
  readonly killed: boolean
  readonly stdout: string
  readonly stderr: string
  readonly startedAt: number
  readonly endedAt: number
}

/** Where `wharf` finds its configuration and its home. */
export interface Place {
  readonly configFile: string
  readonly home: string
}

/** One process. Killed with SIGKILL by kill9(), asked to stop by stop(). */
export class WharfProcess {
  readonly ended: Promise<Ended>
  readonly startedAt = performance.now()
  private readonly child: ChildProcess

  constructor(place: Place, args: readonly string[]) {
    // The Node that runs this is new enough, so the launcher stays in its process: its pid is that of the program.
    const global = ['--home', place.home, '--config', place.configFile]
    this.child = spawn(process.execPath, [launcher, ...global, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    this.child
      .stdout!.setEncoding('utf8')
      .on('data', (text: string) => (stdout = (stdout + text).slice(-MOST_CHARACTERS)))
    this.child
      .stderr!.setEncoding('utf8')
      .on('data', (text: string) => (stderr = (stderr + text).slice(-MOST_CHARACTERS)))
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code, signal) =>
        resolve({
          code,
          killed: signal === 'SIGKILL',
          stdout,
          stderr,
          startedAt: this.startedAt,
          endedAt: performance.now(),
        }),
      )
    })
  }

  async kill9(): Promise<Ended> {
    this.child.kill('SIGKILL')
    return await this.ended
  }

  async stop(): Promise<Ended> {
    this.child.kill('SIGTERM')
    return await this.ended
  }
}

/** Runs one command to its end. */
export async function runWharf(place: Place, args: readonly string[]): Promise<Ended> {
  return await new WharfProcess(place, args).ended
}

/** Runs `wharf … --json` and returns the document; throws with everything that was said unless it ended well. */
export async function wharfJson<T>(place: Place, args: readonly string[]): Promise<T> {
  const ended = await runWharf(place, [...args, '--json'])
  if (ended.code !== 0)
    throw new Error(`wharf ${args.join(' ')} ended with ${ended.code}: ${ended.stderr}${ended.stdout}`)
  return JSON.parse(ended.stdout) as T
}

export interface KeptOptions {
  readonly name: string
  readonly place: Place
  readonly args: readonly string[]
  /** Between the end of a process and the start of the next. */
  readonly pauseMs: number
  readonly before?: () => Promise<void>
  readonly onEnded?: (ended: Ended) => void
}

/** The same command again and again, whatever became of the one before. */
export class Kept {
  readonly name: string
  /** The process that runs now. */
  current: WharfProcess | undefined
  successes = 0
  /** performance.now() at the start of the last one that succeeded. */
  lastSuccessStartedAt = 0
  private readonly stopping = new AbortController()
  private readonly running: Promise<void>

  constructor(options: KeptOptions) {
    this.name = options.name
    this.running = this.run(options)
    this.running.catch(() => {})
  }

  private async run(options: KeptOptions): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await options.before?.()
      if (this.stopping.signal.aborted) return
      this.current = new WharfProcess(options.place, options.args)
      const ended = await this.current.ended
      this.current = undefined
      if (ended.code === 0) {
        this.successes++
        this.lastSuccessStartedAt = ended.startedAt
      }
      options.onEnded?.(ended)
      await delay(options.pauseMs, undefined, { signal: this.stopping.signal }).catch(() => {})
    }
  }

  /** Asks what runs to stop and waits for its end; throws what `before` threw. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.current?.stop()
    await this.running
  }
}
