// A process that loads days, or replays loads, until it is done or killed. Arguments as JSON; says `working` once it has begun.
import { join } from 'node:path'

import { replayLoads } from '../../src/recovery/run-replay.ts'
import { requestFor } from '../../src/loads/pipeline.ts'
import { runEngine } from '../../src/runs/contract.ts'
import { dayOf, openKeptStage } from '../loads/kept-world.ts'
import { testContext } from '../support/context.ts'

export type ReplayChild =
  | { readonly do: 'load'; readonly url: string; readonly folder: string; readonly day: number; readonly key: string }
  | { readonly do: 'replay'; readonly url: string; readonly folder: string }

const given = JSON.parse(process.argv[2]!) as ReplayChild
const signal = new AbortController().signal

if (given.do === 'load') {
  await using stage = await openKeptStage({ url: given.url, folder: given.folder, lease: '1s' })
  const engine = await stage.context.use(runEngine)
  const options = {
    trigger: 'manual',
    actor: 'test',
    businessDate: dayOf(given.day),
    idempotencyKey: given.key,
  } as const
  process.stdout.write('working\n')
  const run = await engine.runHere(requestFor(stage.context, 'nightly', options), { context: stage.context, signal })
  process.stdout.write(`${run.state}\n`)
} else {
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(given.folder, 'home'), rooms: [] }, scope)
  process.stdout.write('working\n')
  await replayLoads(
    {
      warehouse: 'dw',
      repositoryPath: join(given.folder, 'repository'),
      passphraseFile: join(given.folder, 'passphrase'),
      to: { url: given.url },
      planOnly: false,
      after: false,
      unknown: false,
      except: [],
      overwrite: false,
    },
    context,
    { report: () => {}, signal },
  )
  process.stdout.write('succeeded\n')
}
