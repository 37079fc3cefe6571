// `npm run build`: dist/ for the installed package. JavaScript from tsc, the console from vite, SQL and other files as they are.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

import { bundle } from './bundle.ts'
import { execute, local, root } from './steps.ts'

const source = join(root, 'src')
const target = join(root, 'dist')
/** `new URL('./copy-worker.ts', import.meta.url)`: tsc rewrites imports only. */
const WORKER_URL = /(new URL\(\s*(['"])\.{1,2}\/[^'"]+)\.ts(\2,\s*import\.meta\.url)/g

rmSync(target, { recursive: true, force: true })
if (existsSync(join(source, 'console/vite.config.ts'))) {
  await mustPass(local('vite'), [
    'build',
    'src/console',
    '--outDir',
    join(target, 'console'),
    '--emptyOutDir',
    '--logLevel',
    'warn',
  ])
}
await mustPass(local('tsc'), ['-p', 'tsconfig.build.json'])
copyAssets()
await bundleWal()
rewriteUrls(target)
await bundle(target)
console.log(`built ${relative(root, target)}/`)

async function mustPass(program: string, args: readonly string[]): Promise<void> {
  const { code, output } = await execute(program, args)
  if (code === 0) return
  console.error(output)
  process.exit(1)
}

/** `wharf wal get|push` are started once for each segment of WAL: one file each instead of some dozens. Native modules stay outside. */
async function bundleWal(): Promise<void> {
  await mustPass(local('rolldown'), [
    join(source, 'app/wal.ts'),
    '--dir',
    join(target, 'wal'),
    '--format',
    'esm',
    '--platform',
    'node',
    '--external',
    '@node-rs/crc32',
    '--entry-file-names',
    'wharf-wal.js',
    '--minify',
  ])
}

function copyAssets(): void {
  for (const path of walk(source)) {
    const inside = relative(source, path)
    if (/\.(tsx?|md|css|html)$/.test(path) || inside.startsWith('console/')) continue
    cpSync(path, join(target, inside), { recursive: true })
  }
}

function rewriteUrls(folder: string): void {
  for (const path of walk(folder)) {
    if (!path.endsWith('.js') || path.startsWith(join(target, 'console', 'assets'))) continue
    const text = readFileSync(path, 'utf8')
    const rewritten = text.replaceAll(WORKER_URL, '$1.js$3')
    if (rewritten !== text) writeFileSync(path, rewritten)
  }
}

function walk(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walk(path) : [path]
  })
}
