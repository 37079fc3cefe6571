// Builds the console into a folder of the test's own: dist/ belongs to whoever builds the package beside us.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const root = new URL('../../', import.meta.url).pathname

export async function buildConsole(folder: string): Promise<string> {
  const vite = `${root}node_modules/vite/bin/vite.js`
  await promisify(execFile)(
    process.execPath,
    [vite, 'build', 'src/console', '--outDir', folder, '--emptyOutDir', '--logLevel', 'warn'],
    { cwd: root },
  )
  return folder
}
