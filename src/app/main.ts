// Entry of `wharf`; bin/wharf starts it. Nothing else imports this file.
import { enableCompileCache } from 'node:module'

enableCompileCache()

const [first, second] = process.argv.slice(2)
// bin/wharf goes to wal.ts by itself; whoever starts this file gets the same.
if (first === 'wal' && (second === 'get' || second === 'push')) await import('./wal.ts')
else {
  const { start } = await import('./start.ts')
  await start()
}
