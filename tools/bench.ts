// `npm run bench -- <name> [options]` runs bench/<name>.ts; `npm run bench` lists them.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { files, root } from './steps.ts'

const names = files('bench/*.ts').map((path) => /([^/]+)\.ts$/.exec(path)![1]!)
const [name, ...rest] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- <name> [options]\nbenchmarks: ${names.join(', ')}`)
  process.exit(2)
}
process.exit(
  spawnSync(process.execPath, [join(root, 'bench', `${name}.ts`), ...rest], { stdio: 'inherit', cwd: root }).status ??
    1,
)
