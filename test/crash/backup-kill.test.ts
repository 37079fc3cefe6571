// P2, acceptance 4, for backups. `ACCEPT_COUNT` kills (default 2), `ACCEPT_SEED`. In full: npm run accept -- backup-kill.
import { test } from 'node:test'

import { killBackups } from './backup-kill.ts'

const kills = Number(process.env['ACCEPT_COUNT'] ?? 2)
const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

void test(`a backup is killed ${kills} times (ACCEPT_SEED=${seed})`, (t) =>
  killBackups({ kills, seed, log: (line) => t.diagnostic(line) }))
