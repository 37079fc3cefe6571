// `npm run bench -- <name> [options]` runs bench/<name>.ts; `npm run bench` lists them.
import { spawnSync } from 'node:child_process'
import { enableCompileCache, getCompileCacheDir } from 'node:module'
import { dirname, join } from 'node:path'

import { files, root } from './steps.ts'

const names = files('bench/*.ts').map((path) => /([^/]+)\.ts$/.exec(path)![1]!)
const [name, ...rest] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- <name> [options]\nbenchmarks: ${names.join(', ')}`)
  process.exit(2)
}
// As the program itself has it: sources that are stripped and compiled anew in every thread would be measured too.
enableCompileCache()
const env = { ...process.env, NODE_COMPILE_CACHE: dirname(getCompileCacheDir()!) }
process.exit(
  spawnSync(process.execPath, [join(root, 'bench', `${name}.ts`), ...rest], { stdio: 'inherit', cwd: root, env })
    .status ?? 1,
)
