// A process that runs the weather pipeline until it is done or killed. Arguments as JSON; says `working` once it has begun.
import { requestFor } from '../../src/loads/pipeline.ts'
import { runEngine } from '../../src/runs/contract.ts'
import { serverAt } from '../loads/stage.ts'
import { openWeather } from '../loads/weather.ts'

export interface LoadsWorkerOptions {
  readonly url: string
  readonly database: string
  readonly feeds: string
  /** The same run goes on under the same key. */
  readonly key: string
  readonly lease: string
}

const options = JSON.parse(process.argv[2]!) as LoadsWorkerOptions
await using stage = await openWeather(
  { server: serverAt(options.url), database: options.database, lease: options.lease },
  options.feeds,
)
const engine = await stage.context.use(runEngine)
const request = requestFor(stage.context, 'weather', { trigger: 'manual', actor: 'test', idempotencyKey: options.key })
process.stdout.write('working\n')
const run = await engine.runHere(request, { context: stage.context, signal: new AbortController().signal })
process.stdout.write(`${run.state}\n`)
