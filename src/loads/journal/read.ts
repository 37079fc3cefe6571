// The journal as others see it.
import { codeOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { warehouses, type Session } from '../../warehouse/contract.ts'
import { pipelinesSection } from '../config.ts'
import type { JournalEntry, LoadJournal } from '../contract.ts'

interface Row {
  id: string
  pipeline: string
  task: string
  run_id: string
  xid: string
  committed_at: Date
  targets: string[]
  inputs: JournalEntry['inputs']
  rows: string
  logged: boolean
}

const columns = 'id, pipeline, task, run_id, xid::text, committed_at, targets, inputs, rows::text, logged'

export function openJournal(context: Context): LoadJournal {
  return {
    list: async (warehouse, { limit, signal }) => {
      const entries = await inEach(context, { warehouse, signal }, (session) =>
        session.query<Row>(`select ${columns} from wharf.load_journal order by committed_at desc, id desc limit $1`, [
          limit,
        ]),
      )
      return entries.toSorted((a, b) => (a.committedAt < b.committedAt ? 1 : -1)).slice(0, limit)
    },
    get: async (warehouse, id, signal) => {
      const found = await inEach(context, { warehouse, signal }, (session) =>
        session.query<Row>(`select ${columns} from wharf.load_journal where id = $1`, [id]),
      )
      return found[0]
    },
  }
}

/** Pipelines of one warehouse may use several of its databases; each has its own journal. */
async function inEach(
  context: Context,
  at: { warehouse: string; signal: AbortSignal },
  read: (session: Session) => Promise<Row[]>,
): Promise<readonly JournalEntry[]> {
  const warehouse = (await context.use(warehouses)).get(at.warehouse)
  const named = Object.values(context.section(pipelinesSection)).filter((one) => one.warehouse === at.warehouse)
  const databases = new Set<string | undefined>([undefined, ...named.map((one) => one.database)])
  const found = new Map<string, JournalEntry>()
  for (const database of databases) {
    await using session = await warehouse.connect({
      purpose: 'journal',
      signal: at.signal,
      ...(database === undefined ? {} : { database }),
    })
    try {
      for (const row of await read(session)) found.set(row.id, entryOf(row, at.warehouse))
    } catch (error) {
      // No load has run here yet.
      if (codeOf(error) !== '42P01') throw error
    }
  }
  return [...found.values()]
}

function entryOf(row: Row, warehouse: string): JournalEntry {
  return {
    id: row.id,
    pipeline: row.pipeline,
    task: row.task,
    runId: row.run_id,
    warehouse,
    xid: row.xid,
    committedAt: row.committed_at.toISOString(),
    targets: row.targets,
    inputs: row.inputs,
    rows: Number(row.rows),
    logged: row.logged,
  }
}
