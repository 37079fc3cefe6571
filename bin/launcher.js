// Finds a Node that can run Wharfinger and runs a script with it. Read by Node 20: no newer syntax here.
import { spawn } from 'node:child_process'
import * as nodeModule from 'node:module'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const OLDEST_NODE_MAJOR = 24
// PostgreSQL calls `wharf wal get` and takes 1 to 125 as "no such file": what fails here must lie above.
const CANNOT_START = process.argv.slice(2, 4).join(' ') === 'wal get' ? 200 : 3
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2']

/** The bundled Node binary of this platform, or undefined where the package is not installed. */
function bundledNode() {
  const require = nodeModule.createRequire(import.meta.url)
  try {
    const folder = dirname(require.resolve(`node-${process.platform}-${process.arch}/package.json`))
    const binary = join(folder, 'bin', 'node')
    return existsSync(binary) ? binary : undefined
  } catch {
    return undefined
  }
}

function refuse() {
  process.stderr.write(
    `wharf: needs Node ${OLDEST_NODE_MAJOR} or newer, this is ${process.version}\n` +
      `hint: install the optional dependencies (npm install --include=optional), or run with Node ${OLDEST_NODE_MAJOR}\n`,
  )
  process.exit(CANNOT_START)
}

function runIn(binary, args) {
  const child = spawn(binary, [...process.execArgv, ...args], { stdio: 'inherit' })
  // A terminal sends its signals to the whole group: the child has them already. Only what was sent to this
  // process alone (by kill) must be passed on; a second copy of Ctrl-C would mean "stop at once" to the child.
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      if (!(signal === 'SIGINT' && process.stdin.isTTY)) child.kill(signal)
    })
  }
  child.on('error', (error) => {
    process.stderr.write(`wharf: cannot start ${binary}: ${error.message}\n`)
    process.exit(CANNOT_START)
  })
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}

/** Runs `script` with `args` in this process where it is new enough, else in a child with the bundled Node. */
export function launch(script, args) {
  if (Number(process.versions.node.split('.')[0]) >= OLDEST_NODE_MAJOR) {
    const path = resolve(script)
    process.argv = [process.argv[0], path, ...args]
    nodeModule.enableCompileCache?.()
    import(pathToFileURL(path).href).catch((error) => {
      process.stderr.write(`${error?.stack ?? error}\n`)
      process.exit(CANNOT_START)
    })
    return
  }
  const binary = bundledNode()
  if (binary === undefined) return refuse()
  // The child starts with this same plain JavaScript: it turns the compile cache on before the first TypeScript file is read, so that nothing has to
  // be stripped of its types again (300 ms of CPU). An option of Node's own is for Node.
  runIn(binary, script.startsWith('-') ? [script, ...args] : process.argv.slice(1))
}
