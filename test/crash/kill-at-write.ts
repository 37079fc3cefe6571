// Preloaded into a process: kills it, as kill −9 does, at the n-th change that one of its threads makes to the file system (WHARF_TEST_KILL_AT). Without
// that it notes how many changes there were (WHARF_TEST_COUNT_INTO).
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const killAt = Number(process.env['WHARF_TEST_KILL_AT'] ?? '0')
const countInto = process.env['WHARF_TEST_COUNT_INTO']
let count = 0

function counted(): void {
  count++
  if (count === killAt) process.kill(process.pid, 'SIGKILL')
  if (countInto !== undefined && count % 8 === 0) fs.appendFileSync(countInto, '........')
}

type Functions = Record<string, (...args: unknown[]) => unknown>

function wrap(target: object, names: readonly string[]): void {
  const functions = target as Functions
  for (const name of names) {
    const original = functions[name]!
    functions[name] = (...args: unknown[]) => {
      counted()
      return original(...args)
    }
  }
}

wrap(fs, ['writeSync', 'fsyncSync'])
wrap(fs.promises, ['open', 'rename', 'rm', 'mkdir', 'symlink', 'chmod', 'chown'])
syncBuiltinESMExports()
