// The command itself against a real server: configuration in a scratch folder, one process per call.
import { spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const launcher = fileURLToPath(new URL('../../bin/wharf', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

export interface CommandLineOptions {
  /** More of wharf.yaml. */
  readonly more?: string
  /** Of the repository; default: a passphrase. */
  readonly encryption?: string
  /** What starts `wharf`; default: the launcher of this checkout. */
  readonly program?: readonly string[]
}

export class CommandLine {
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  private readonly program: readonly string[]

  /** Writes wharf.yaml with one warehouse `retail` and one encrypted repository `main`. */
  constructor(folder: string, url: string, options: string | CommandLineOptions = {}) {
    const given: CommandLineOptions = typeof options === 'string' ? { more: options } : options
    const { more = '', program = [launcher], encryption = '{ passphrase: "${env:WHARF_TEST_PASSPHRASE}" }' } = given
    this.folder = folder
    this.program = program
    this.env = { ...process.env, WHARF_TEST_PASSPHRASE: 'correct horse battery staple' }
    writeFileSync(
      join(folder, 'wharf.yaml'),
      `warehouses:\n  retail:\n    url: ${url}\n    repositories: [main]\n` +
        `repositories:\n  main:\n    path: repository\n    encryption: ${encryption}\n${more}`,
    )
    chmodSync(join(folder, 'wharf.yaml'), 0o600)
  }

  arguments(...args: string[]): string[] {
    return ['--home', join(this.folder, 'home'), '--config', join(this.folder, 'wharf.yaml'), ...args]
  }

  /** Runs `wharf …`; `wrap` puts another program before it (strace). */
  async run(args: readonly string[], options: { wrap?: readonly string[]; killAfterMs?: number } = {}): Promise<Ran> {
    const [program = '', ...rest] = [...(options.wrap ?? []), ...this.program, ...this.arguments(...args)]
    const startedAt = performance.now()
    const child = spawn(program, rest, { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    const [stdout, stderr]: [string[], string[]] = [[], []]
    child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
    const timer =
      options.killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), options.killAfterMs)
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
    clearTimeout(timer)
    return { code, stdout: stdout.join(''), stderr: stderr.join(''), seconds: (performance.now() - startedAt) / 1000 }
  }

  /** Runs `wharf … --json` and returns the document; throws with everything that was said unless it ended well. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what the document holds is the caller's to know
  async json<T = unknown>(
    args: readonly string[],
    options: { wrap?: readonly string[] } = {},
  ): Promise<{ output: T; ran: Ran }> {
    const ran = await this.run([...args, '--json'], options)
    if (ran.code !== 0) throw new Error(`wharf ${args.join(' ')} ended with ${ran.code}: ${ran.stderr}${ran.stdout}`)
    return { output: JSON.parse(ran.stdout) as T, ran }
  }
}
