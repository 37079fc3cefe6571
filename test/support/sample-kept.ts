// A kept load for tests of repositories, with one script and one copy whose contents are given.
import type { KeptLoad, Repository } from '../../src/repository/contract.ts'

const signal = new AbortController().signal

export type KeptWishes = Partial<Omit<KeptLoad, 'steps' | 'id'>> & { readonly id: string }

/** Stores it as a load does, in warehouse `dw` unless told otherwise. */
export async function keepSample(
  repository: Repository,
  wishes: KeptWishes,
  input: Buffer = Buffer.from('1\tone\n'),
): Promise<void> {
  const { warehouse = 'dw', ...rest } = wishes
  await using writer = await repository.kept.begin({ warehouse, purpose: 'test', signal })
  const script = writer.content()
  await script.write(Buffer.from('select 1'))
  const copied = writer.content()
  for (let at = 0; at < input.length; at += 1_000_003) await copied.write(input.subarray(at, at + 1_000_003))
  const original = { name: 'a.csv', sha256: '0'.repeat(64), bytes: 8 }
  await writer.commit({
    database: 'mart',
    systemIdentifier: 5n,
    timeline: 1,
    postgresVersion: 180_004,
    madeBy: '0',
    lsn: 0x100n,
    xid: 0x1_0000_0007n,
    keptMs: Date.UTC(2026, 0, 1),
    workMs: 5,
    role: 'loader',
    settings: { search_path: 'public' },
    isolation: 'read committed',
    parameters: { 'wharf.task': 'fill' },
    steps: [
      { kind: 'statement', sql: 'truncate stage.a' },
      { kind: 'script', name: 'a.sql', content: await script.finish() },
      { kind: 'copy', sql: 'copy stage.a from stdin', content: await copied.finish(), rows: 1, original },
      { kind: 'command', argv: ['ls'], folder: '/', variables: ['HOME'] },
    ],
    journal: {
      pipeline: 'p',
      task: 'fill',
      runId: 'r1',
      item: 'a.csv',
      token: '7',
      businessDate: null,
      startedAt: '2026-01-01T00:00:00.000Z',
      logged: false,
      rows: 1,
      inputs: [original],
      written: { 'stage.a': 1 },
    },
    unlogged: [{ relation: 'stage.a', root: 'stage.a' }],
    alsoLogged: [],
    replaces: [],
    reads: [],
    follows: { 'stage.a': null },
    file: { ...original, modifiedMs: 1 },
    ...rest,
  })
}
