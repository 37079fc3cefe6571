// Acceptance 3 of issue 4: restores beside pgBackRest's, whole and over a damaged folder. One command prints every ratio with its limit.
// Usage: npm run bench -- restore [--gigabytes 2] [--rounds 5] [--warm]
//
// Equal for both: 2 processes or threads, everything durable at the end, caches dropped before each, turns that alternate. Not equal: wharf's repository is
// encrypted (its default), pgBackRest's is not; pgBackRest compresses with zstd 3, wharf with its own level 1.
import { parseArgs } from 'node:util'

import { describeRatio } from './speed/compare.ts'
import { compareRestores } from './speed/restores.ts'

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    warm: { type: 'boolean', default: false },
  },
})
const ratios = await compareRestores({
  gigabytes: Number(values.gigabytes),
  rounds: Number(values.rounds),
  warm: values.warm,
  log: (line) => console.log(line),
})
for (const ratio of ratios) console.log(describeRatio(ratio))
console.log(`repeat: npm run bench -- restore ${process.argv.slice(2).join(' ')}`)
