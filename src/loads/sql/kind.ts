// Tasks of kind `sql`: the statements of a file in one transaction, exactly once per run.
import type { TaskKind } from '../../runs/contract.ts'
import { sqlInput, type SqlInput } from '../inputs.ts'
import { openKeeping } from '../keep/keeping.ts'
import { loadTransaction } from '../journal/transaction.ts'
import { openLoadSession } from '../session.ts'
import { explainSql, readSql, runSql } from './run.ts'

export const sqlKind: TaskKind<SqlInput> = {
  name: 'sql',
  input: sqlInput,
  execute: async (task, signal) => {
    const { input } = task
    const sql = await readSql(input.source, `${task.task.name} (text)`)
    await using session = await openLoadSession(task, signal)
    task.progress({ phase: 'running', note: sql.name })
    await using keeping = await openKeeping(task, session, signal)
    const keep = keeping?.record()
    const intent = {
      task,
      keep,
      session,
      item: '',
      businessDate: task.run.businessDate,
      logged: input.logged,
      settings: input.settings,
    }
    const done = await loadTransaction(intent, async () => {
      await keep?.script(sql)
      await runSql(session, sql)
      return { inputs: [sql.input], rows: undefined }
    }).catch((error: unknown) => {
      signal.throwIfAborted()
      throw explainSql(error, sql)
    })
    await task.log(
      done.now
        ? `${sql.name}: ${done.rows} rows in ${done.targets.join(', ') || 'no table'}`
        : `${sql.name}: an earlier attempt had committed it`,
    )
    return { load: done.id, rows: Number(done.rows), targets: done.targets }
  },
}
