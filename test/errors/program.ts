// Runs the real command line on a wharf.yaml, for tests of what an operator sees.
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../bin/wharf', import.meta.url))
/** nobody */
const OTHER_USER = 65_534

export interface Seen {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export class Place implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'wharf-errors-'))
  readonly variables: Record<string, string> = {}

  constructor() {
    chmodSync(this.folder, 0o755)
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  /** Writes wharf.yaml; the home is a folder beside it. */
  configure(text: string): void {
    writeFileSync(this.path('wharf.yaml'), text)
  }

  /** Runs `wharf` here; as nobody with `asOther` where root runs the tests. `stopOn` ends it with SIGTERM once standard error holds that text. */
  run(args: readonly string[], options: { asOther?: boolean; stopOn?: string } = {}): Promise<Seen> {
    const user = options.asOther && process.getuid?.() === 0 ? { uid: OTHER_USER, gid: OTHER_USER } : {}
    mkdirSync(this.path('home'), { recursive: true })
    if ('uid' in user) chownSync(this.path('home'), OTHER_USER, OTHER_USER)
    const env = {
      ...process.env,
      ...this.variables,
      WHARF_HOME: this.path('home'),
      WHARF_CONFIG: '',
      NO_COLOR: '1',
      NODE_COMPILE_CACHE: '',
    }
    const child = spawn(process.execPath, [program, ...args], {
      cwd: this.folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString()
      if (options.stopOn !== undefined && err.includes(options.stopOn)) child.kill('SIGTERM')
    })
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err: this.neutral(err) })))
  }

  /** What differs from run to run, made equal. */
  private neutral(text: string): string {
    return text.replaceAll(this.folder, '<folder>')
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
