// `npm test`: what verify does, then every group of suites under test/. `npm test -- restore` runs one group.
//
// Options: --jobs N (files at once, default 2). REQUIRE_ALL=1: a suite that cannot run here is a failure.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { command, conclude, emptyTally, files, groups, root, step, tests, verifySteps } from './steps.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { jobs: { type: 'string', default: '2' } },
})
const known = groups()
const unknown = positionals.filter((name) => !known.includes(name) && name !== 'verify')
if (unknown.length > 0) {
  console.error(`no such group: ${unknown.join(', ')} (known: verify, ${known.join(', ')})`)
  process.exit(2)
}

const tally = emptyTally()
const wanted = positionals.length === 0 ? ['verify', ...known] : positionals
if (wanted.includes('verify')) await verifySteps(tally)
if (wanted.some((name) => name !== 'verify') && !existsSync(join(root, 'test/servers/node_modules'))) {
  const install = ['ci', '--prefix', 'test/servers', '--ignore-scripts', '--no-audit', '--no-fund']
  await step('install test/servers', tally, () => command('npm ci --prefix test/servers', 'npm', install))
}
for (const name of wanted.filter((one) => one !== 'verify')) {
  await step(name, tally, () =>
    tests(files(`test/${name}/**/*.test.ts`), { concurrency: Number(values.jobs), verbose: true }),
  )
}
process.exit(conclude(tally))
