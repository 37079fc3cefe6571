// A drill as a schedule starts it, with declared names and a control database that listens: its event, and its hash in the audit chain.
import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'

import type { OperationContext } from '../../src/base/operation.ts'
import { provide, type Context, type Room } from '../../src/base/room.ts'
import { controlSection } from '../../src/control/config.ts'
import {
  controlDatabase,
  type AuditEntry,
  type ControlDatabase,
  type ControlEvent,
} from '../../src/control/contract.ts'
import { readArchive } from '../../src/recovery/drills/archive.ts'
import { drillSchedules, drillTask } from '../../src/recovery/drills/schedules.ts'
import { makeSigner, openSealed, sealed } from '../../src/recovery/drills/seal.ts'
import { drillList } from '../../src/recovery/operations/drill-list.ts'
import { drillShow } from '../../src/recovery/operations/drill-show.ts'
import { room as recoveryRoom } from '../../src/recovery/room.ts'
import { repositories } from '../../src/repository/contract.ts'
import { nextOccurrences } from '../../src/runs/calendar.ts'
import type { TaskExecution } from '../../src/runs/contract.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { openWorld, type World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { binariesOf } from '../support/postgres.ts'

const never = new AbortController().signal

interface Heard {
  readonly events: ControlEvent[]
  readonly audit: AuditEntry[]
}

function listening(heard: Heard): Room {
  const database = {
    emit: async (event: ControlEvent) => void heard.events.push(event),
    audit: async (entry: AuditEntry) => void heard.audit.push(entry),
    query: async () => heard.audit.map(({ detail }) => ({ number: null, digest: null, ...detail })),
  } as unknown as ControlDatabase
  return {
    name: 'control',
    summary: 'a list',
    config: [controlSection],
    services: [provide(controlDatabase, () => database)],
  }
}

async function contextOf(world: World, heard: Heard, scope: AsyncDisposableStack): Promise<Context> {
  const opened: Room = {
    name: 'opened',
    summary: 'the repository of the world',
    services: [
      provide(repositories, () => ({
        list: () => [{ name: 'r', location: world.folder, encrypted: true }],
        open: async () => world.repository,
      })),
    ],
  }
  const config = {
    warehouses: { retail: { url: world.server.url, repositories: ['r'] } },
    control: { url: 'postgresql://nobody@127.0.0.1:1/none' },
    drills: {
      retail: {
        folder: join(world.folder, 'sandboxes'),
        binaries: (await binariesOf(world.server.major)).bin,
        settings: { fsync: 'off' },
        counts: 'all',
        schedules: { weekly: { cron: '0 5 * * 0', timezone: 'Europe/Berlin', verify: 'connect' } },
      },
    },
  }
  const rooms = [warehouseRoom, opened, listening(heard), recoveryRoom]
  return testContext({ home: join(world.folder, 'home'), rooms, config }, scope)
}

test('PostgreSQL 15: a scheduled drill is an event and a line of the audit chain, which notices evidence that is signed anew', async () => {
  await using world = await openWorld({ major: 15 })
  await world.server.psql('create table sales as select n as id from generate_series(1, 1000) n')
  await world.take('full')
  await world.archiveAll()
  const heard: Heard = { events: [], audit: [] }
  await using scope = new AsyncDisposableStack()
  const context = await contextOf(world, heard, scope)

  const [schedule] = drillSchedules(context)
  assert.equal(schedule?.id, 'drill/retail/weekly')
  assert.ok(schedule !== undefined && 'cron' in schedule.when)
  const [nominal] = nextOccurrences(schedule.when, new Date('2026-11-25T00:00:00Z'), 1)
  assert.equal(nominal!.toISOString(), '2026-11-29T04:00:00.000Z')
  const request = schedule.request({ nominal: nominal! })
  assert.equal(request.idempotencyKey, 'drill/retail/weekly/2026-11-29T04:00:00.000Z')
  assert.equal(request.tasks[0]!.kind, drillTask.name)

  const input: unknown = drillTask.input.parse(request.tasks[0]!.input)
  const task = { context, input, progress: () => {} } as unknown as TaskExecution<never>
  const result = (await drillTask.execute(task, never)) as { drill: string; digest: string; outcome: string }
  assert.equal(result.outcome, 'passed')
  const { drills } = await readArchive(context.home)
  const { evidence, digest } = drills[0]!
  assert.deepEqual([evidence!.trigger, evidence!.actor, evidence!.repository], ['schedule', 'schedule', 'r'])
  assert.deepEqual(
    evidence!.proof.counts.map((one) => [one.table, one.rows, one.sums]),
    [['public.sales', '1000', [{ column: 'id', sum: '500500' }]]],
  )
  assert.deepEqual(
    heard.events.map((one) => [one.kind, one.subject, one.data['drill']]),
    [['recovery.drill-passed', 'retail', result.drill]],
  )
  const { hostname: host } = context.environment
  assert.deepEqual(heard.audit, [
    {
      actor: 'schedule',
      action: 'drill begin',
      subject: 'retail',
      detail: { drill: result.drill, host, home: context.home },
    },
    {
      actor: 'schedule',
      action: 'drill run',
      subject: 'retail',
      detail: {
        drill: result.drill,
        number: 1,
        outcome: 'passed',
        digest,
        host,
        home: context.home,
      },
    },
  ])

  const show = async () => await drillShow.run({ drill: 'last' }, context as OperationContext, never)
  assert.deepEqual([(await show()).whole, (await show()).audited], [true, 'agrees'])
  // Whoever has the key can sign anything: the audit chain has another hash.
  const file = join(context.home, 'drills', '000001.json')
  const opened = openSealed(await readFile(file, 'utf8'))
  assert.ok(opened.whole)
  const signer = await makeSigner(join(context.home, 'drills'))
  await writeFile(file, sealed({ ...opened.evidence, durationMs: 1 }, signer))
  const shown = await show()
  assert.equal(shown.whole, false)
  assert.ok(shown.problems.includes('the audit chain of the control database holds another hash of it'))
  const list = async () => (await drillList.run({}, context as OperationContext, never)).problems
  assert.deepEqual(await list(), [
    'drill number 1 is not the document that was written last',
    `drill ${result.drill}: the audit chain of the control database holds another hash of it`,
  ])
  await rm(join(context.home, 'drills'), { recursive: true })
  assert.deepEqual(await list(), [
    `drill ${result.drill} is missing: the audit chain of the control database knows of it`,
  ])
})
