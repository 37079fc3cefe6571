// Acceptance 1 of issue 3: what a backup costs beside pgBackRest's and beside PostgreSQL's own. One command prints every ratio with its limit.
// Usage: npm run bench -- speed [--gigabytes 4] [--rounds 5] [--idle 1,16] [--newer /path/to/pgbackrest] [--warm]
//
// Equal for all: server with fsync on, full durability of all repositories on the same disk, page checksums verified, 2 processes or threads, data cold
// (caches dropped before each backup, programs read in again), turns that alternate. Not equal: wharf encrypts (its default), pgBackRest does not.
import { parseArgs } from 'node:util'

import { compare, describeRatio } from './speed/compare.ts'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '5' },
    idle: { type: 'string' },
    newer: { type: 'string' },
    warm: { type: 'boolean', default: false },
  },
})
const [small, large] = (values.idle ?? '').split(',').map(Number)
const ratios = await compare({
  gigabytes: Number(values.gigabytes),
  rounds: Number(values.rounds),
  warm: values.warm,
  newerPgBackRest: values.newer,
  idleGigabytes: small && large ? [small, large] : undefined,
  log: (line) => console.log(line),
})
for (const ratio of ratios) console.log(describeRatio(ratio))
console.log(`repeat: npm run bench -- speed ${process.argv.slice(2).join(' ')}`)
