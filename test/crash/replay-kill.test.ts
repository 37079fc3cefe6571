import { test } from 'node:test'

import { killLoadsAndReplay } from './replay-kill.ts'

const seed = Number(process.env['ACCEPT_SEED'] ?? Math.floor(Math.random() * 1e9))

test(`kept loads and their replay survive kill −9 at random moments (seed ${seed})`, async () => {
  await killLoadsAndReplay({ major: seed % 2 === 0 ? 18 : 15, seed, kills: 2, days: 2 })
})
