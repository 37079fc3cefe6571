import { rm } from 'node:fs/promises'
import { z } from 'zod'

import { writeFileDurably } from '../../../base/durable.ts'
import { defineOperation, operationErrors, type OperationContext } from '../../../base/operation.ts'
import { formatTime } from '../../../base/clock.ts'
import { SECOND_MS } from '../../../base/units.ts'
import { protection } from '../../../backup/contract.ts'
import { warehouses, type Session } from '../../../warehouse/contract.ts'
import { managedDataDirectory, stopManaged } from '../../../warehouse/managed.ts'
import { parseLsn } from '../../../wal/lsn.ts'
import { errors } from '../../errors.ts'
import { demoLayout, demoWarehouse, isDemo } from '../layout.ts'
import { proveTables, type TableProof } from '../proof.ts'

const WAIT_FOR_WAL_MS = 60 * SECOND_MS

/** What `wharf demo recover` must bring back. */
export interface Disaster {
  readonly at: string
  readonly lsn: string
  readonly dropped: string
  readonly proof: readonly TableProof[]
}

export const demoDisaster = defineOperation({
  name: 'demo disaster',
  summary: "drop the demo's fact table, kill its server and delete its data directory",
  description: [
    'First it notes what every table holds, so that wharf demo recover can prove that all of it is back. Then someone drops retail.fact_sales; a moment later the server dies and its disk is gone.',
    'Touches nothing but the demo that wharf up made.',
  ].join('\n\n'),
  input: z.strictObject({}),
  output: z.strictObject({
    at: z.string(),
    lsn: z.string(),
    dropped: z.string(),
    tables: z.number(),
    rows: z.string(),
  }),
  role: 'admin',
  danger: 'destroys',
  errors: ['app.not-the-demo', 'app.wal-not-received'],
  needs: 'control',
  where: 'here',
  only: 'command-line',
  run: async (_input, context, signal) => {
    if (!(await isDemo(context))) throw errors.notTheDemo(context.home)
    const sure = 'Drop retail.fact_sales of the demo, kill its server and delete its data directory?'
    if (!(await context.confirm(sure))) throw operationErrors.notConfirmed(sure)
    const disaster = await dropWithProof(context, signal)
    context.progress({ phase: 'waiting', note: 'table dropped; the server lives a moment longer' })
    await waitUntilReceived(disaster.lsn, context, signal)
    await writeFileDurably(demoLayout(context.home).disasterFile, JSON.stringify(disaster, null, 2))
    await destroy(context, signal)
    const rows = disaster.proof.reduce((sum, one) => sum + BigInt(one.rows), 0n).toString()
    return { at: disaster.at, lsn: disaster.lsn, dropped: disaster.dropped, tables: disaster.proof.length, rows }
  },
  text: (done) =>
    [
      `${done.dropped} was dropped at ${done.at} (just after ${done.lsn}); then the server died and its data directory is gone.`,
      `Before that, ${done.tables} tables held ${done.rows} rows.`,
      'Now run: wharf demo recover',
    ].join('\n'),
})

/** Notes what is there and drops the table in one transaction: nothing can come between the proof and the drop. */
async function dropWithProof(context: OperationContext, signal: AbortSignal): Promise<Disaster> {
  await using session = await (await context.use(warehouses)).get(demoWarehouse).connect({ purpose: 'demo', signal })
  await session.query('begin')
  await lockEverything(session)
  context.progress({ phase: 'proving', note: 'counting and hashing every table' })
  const proof = await proveTables(session)
  const [here] = await session.query<{ lsn: string }>('select pg_current_wal_insert_lsn()::text as lsn')
  await session.query('drop table retail.fact_sales')
  await session.query('commit')
  return { at: formatTime(context.clock.now()), lsn: here!.lsn, dropped: 'retail.fact_sales', proof }
}

/** Loads wait for the end of this transaction. */
async function lockEverything(session: Session): Promise<void> {
  const tables = await session.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('retail', 'wharf') order by 1`,
  )
  await session.query(`lock table ${tables.map((one) => one.name).join(', ')} in exclusive mode`)
}

/** What is not received when the server dies is lost: that is the RPO, and not what this shows. */
async function waitUntilReceived(lsn: string, context: OperationContext, signal: AbortSignal): Promise<void> {
  const kept = await context.use(protection)
  const until = context.clock.monotonic() + WAIT_FOR_WAL_MS
  for (;;) {
    const states = await kept.walStatus(demoWarehouse, signal)
    if (states.some((one) => one.durableLsn !== undefined && parseLsn(one.durableLsn) >= parseLsn(lsn))) return
    if (context.clock.monotonic() > until) throw errors.walNotReceived(lsn)
    await context.clock.sleep(SECOND_MS, signal)
  }
}

async function destroy(context: OperationContext, signal: AbortSignal): Promise<void> {
  const dataDirectory = managedDataDirectory(demoWarehouse, context)
  // The directory goes first, so that nobody starts the dead server again in between.
  await rm(`${dataDirectory}/PG_VERSION`, { force: true })
  await stopManaged(demoWarehouse, context, { mode: 'immediate', signal })
  await rm(dataDirectory, { recursive: true, force: true })
}
