// Entry of `wharf`; bin/wharf starts it. Nothing else imports this file, and it imports nothing before the guard of `wal get` stands.
import { enableCompileCache } from 'node:module'

enableCompileCache()

const [first, second, ...rest] = process.argv.slice(2)
if (first === 'wal' && second === 'get') await walGetForPostgres(rest)
else {
  const { start } = await import('./start.ts')
  await start()
}

/**
 * `wharf wal get` is called by PostgreSQL, which takes 1 to 125 as "no more WAL" and everything above as a failure: whatever goes
 * wrong here, also an import, ends above.
 */
async function walGetForPostgres(args: readonly string[]): Promise<void> {
  const failed = 200
  process.on('uncaughtException', () => process.exit(failed))
  process.on('unhandledRejection', () => process.exit(failed))
  try {
    const { walGet } = await import('../recovery/wal-get.ts')
    process.exitCode = await walGet(args)
  } catch (error) {
    process.stderr.write(`wharf wal get: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(failed)
  }
}
