// `npm run verify`: types, lint, format, architecture, unit tests. Under two minutes on 2 cores.
import { conclude, emptyTally, verifySteps } from './steps.ts'

const started = performance.now()
const tally = emptyTally()
await verifySteps(tally)
console.log(`\nverify took ${((performance.now() - started) / 1000).toFixed(1)} s`)
process.exit(conclude(tally))
