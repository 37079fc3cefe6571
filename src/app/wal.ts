// Entry of `wharf wal get` and `wharf wal push`, which PostgreSQL starts once for each segment; bin/wharf goes here for them. Nothing is imported
// before the guards stand: Node ends with 1 when a module is missing or throws.
//
// To `restore_command` 1 to 125 mean "no more WAL" and everything above is a failure; `archive_command` tries again after any failure up to 125 and
// restarts the archiver above.
const [, , , which, ...rest] = process.argv
const failed = which === 'get' ? 200 : 1

process.on('uncaughtException', () => process.exit(failed))
process.on('unhandledRejection', () => process.exit(failed))

try {
  const { enableCompileCache } = await import('node:module')
  enableCompileCache()
  process.exitCode =
    which === 'get'
      ? await (await import('../recovery/wal-get.ts')).walGet(rest)
      : await (await import('../backup/wal-push.ts')).walPush(rest)
} catch (error) {
  process.stderr.write(`wharf wal ${which}: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(failed)
}

export const exits = failed
