// Before `npm start` from a clone: builds the console into dist/console unless it is there and newer than its sources.
import { statSync } from 'node:fs'
import { join } from 'node:path'

import { execute, files, local, root } from './steps.ts'

const built = statSync(join(root, 'dist/console/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0
const sources = [...files('src/console/**/*.*'), 'package-lock.json']
const newest = Math.max(...sources.map((path) => statSync(join(root, path)).mtimeMs))
if (built < newest) {
  console.error('building the console …')
  const { code, output } = await execute(local('vite'), [
    'build',
    'src/console',
    '--outDir',
    join(root, 'dist/console'),
    '--emptyOutDir',
    '--logLevel',
    'warn',
  ])
  if (code !== 0) {
    console.error(output)
    console.error('the console could not be built: wharf runs without it')
  }
}
