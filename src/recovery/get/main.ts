// Entry of `wharf wal get` for PostgreSQL's restore_command. Nothing is imported before the guard stands: Node ends with 1 when a module is
// missing or throws, and to PostgreSQL 1 means that there is no more WAL.
const FAILED = 200

process.on('uncaughtException', () => process.exit(FAILED))
process.on('unhandledRejection', () => process.exit(FAILED))

try {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  const { walGet } = await import('../wal-get.ts')
  process.exitCode = await walGet(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`wharf wal get: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(FAILED)
}

export const exits = FAILED
