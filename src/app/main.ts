// Entry of `wharf`; bin/wharf starts it. Nothing else imports this file.
import { enableCompileCache } from 'node:module'

enableCompileCache()

const { start } = await import('./start.ts')
await start()
