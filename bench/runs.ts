// The engine on one machine: how soon a child starts after its parent is done, how many empty tasks a second, how fast a backfill is queued.
// `npm run bench -- runs`. Needs no network; starts its own PostgreSQL 18.
import { z } from 'zod'

import type { TaskExecution, TaskKind } from '../src/runs/contract.ts'
import { ensureDatabase } from '../test/loads/stage.ts'
import { openStage, request } from '../test/runs/stage.ts'
import { startServer } from '../test/support/postgres.ts'

const CHAINS = 40
const LENGTH = 10
const QUEUED = 2000

const ended = new Map<string, number>()
const gapsMs: number[] = []
const empty: TaskKind<{ after?: string | undefined }> = {
  name: 'empty',
  input: z.object({ after: z.string().optional() }),
  execute: (task: TaskExecution<{ after?: string | undefined }>) => {
    const parent = task.input.after === undefined ? undefined : ended.get(`${task.run.id}/${task.input.after}`)
    if (parent !== undefined) gapsMs.push(performance.now() - parent)
    ended.set(`${task.run.id}/${task.task.name}`, performance.now())
    return Promise.resolve(null)
  },
}

await using server = await startServer({ major: 18, settings: { fsync: 'on' } })
await ensureDatabase(server, 'control')
await using stage = await openStage({
  url: server.urlFor({ database: 'control' }),
  kinds: [empty],
  runs: { slots: 8 },
})
const stop = new AbortController()
const { engine, context } = stage
const signal = new AbortController().signal

const chain = Array.from({ length: LENGTH }, (_, index) => ({
  name: `t${index}`,
  kind: 'empty',
  needs: index === 0 ? [] : [`t${index - 1}`],
  input: index === 0 ? {} : { after: `t${index - 1}` },
}))
for (let index = 0; index < CHAINS; index++) await engine.runHere(request('chain', chain), { context, signal })
const sorted = gapsMs.toSorted((a, b) => a - b)
const at = (share: number): string => sorted[Math.floor(sorted.length * share)]!.toFixed(1)
console.log(
  `parent done → child started: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(0.999)} ms (${sorted.length} steps)`,
)

let started = performance.now()
const ids: string[] = []
for (let index = 0; index < QUEUED; index++)
  ids.push((await engine.submit(request(`p${index}`, [{ name: 'a', kind: 'empty' }]))).runId)
console.log(`queued ${QUEUED} runs: ${Math.round(QUEUED / ((performance.now() - started) / 1000))} runs/s`)

started = performance.now()
const working = engine.work({ context, signal: stop.signal })
while ((await engine.list({ states: ['queued', 'running'], limit: 1 })).length > 0)
  await new Promise((resolve) => setTimeout(resolve, 50))
console.log(`worked off: ${Math.round(QUEUED / ((performance.now() - started) / 1000))} tasks/s in one process`)
stop.abort()
await working
