// `recover when` as the command line calls it, on a warehouse under test.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { OperationContext } from '../../src/base/operation.ts'
import { when } from '../../src/recovery/operations/when.ts'
import type { WhenReport } from '../../src/recovery/when/report.ts'
import type { World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'

const signal = new AbortController().signal

export async function askWhen(world: World, options: Readonly<Record<string, unknown>>): Promise<WhenReport> {
  const passphraseFile = join(world.folder, 'passphrase')
  await writeFile(passphraseFile, 'correct horse\n', { mode: 0o600 })
  await using scope = new AsyncDisposableStack()
  const context: OperationContext = {
    ...testContext({ home: join(world.folder, 'home'), rooms: [] }, scope),
    progress: () => {},
    confirm: () => Promise.resolve(true),
    actor: 'test',
  }
  const input = when.input.parse({
    warehouse: 'retail',
    repositoryPath: join(world.folder, 'repository'),
    passphraseFile,
    ...options,
  })
  const report = when.output.parse(await when.run(input, context, signal))
  // What people see must not fail either.
  when.text(report)
  return report
}

/** Runs `sql` in one transaction and gives its id; undefined where it is rolled back by `sql` itself. */
export async function transaction(world: World, sql: string): Promise<number> {
  await using client = await world.server.connect()
  await client.query('begin')
  const { rows } = await client.query<{ xid: string }>('select pg_current_xact_id()::text as xid')
  await client.query(sql)
  return Number(BigInt(rows[0]!.xid) & 0xffff_ffffn)
}
