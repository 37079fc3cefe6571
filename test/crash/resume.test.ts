// Interrupted backups are gone on with. One round; `npm run accept -- resume` has many. `ACCEPT_SEED`.
import { test } from 'node:test'

import { resumeKilled } from './resume.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

void test(`killed in the middle, twice, with changes between: the rest is read, what is used again is proven (ACCEPT_SEED=${seed})`, (t) =>
  resumeKilled({ seed, log: (line) => t.diagnostic(line) }))
