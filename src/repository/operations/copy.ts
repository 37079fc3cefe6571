import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { messageOf } from '../../base/errors.ts'
import { defineOperation, type OperationContext } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { repositories, type BackupSummary, type Repository } from '../contract.ts'
import { copyBackup, copyWal } from '../copy.ts'
import { errors } from '../errors.ts'

const input = z.strictObject({
  from: declaredName().describe('repository that holds the backups'),
  to: declaredName().describe('repository that gets them'),
  warehouse: z.string().optional().describe('only backups of this warehouse'),
  backup: z.string().optional().describe('only this backup'),
  wal: z
    .enum(['needed', 'all'])
    .optional()
    .describe(
      'needed: what each backup needs to be restored; all: also everything since, to recover to any moment. Default: all, with --backup needed',
    ),
})

const copied = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  state: z.enum(['copied', 'there already']),
  packs: z.number(),
  bytes: z.number(),
})

export const copy = defineOperation({
  name: 'repository copy',
  summary: 'copy backups and WAL from one repository into another',
  description: [
    'Every byte is opened, verified and sealed anew for the target; what it holds already is not copied again, so that an interrupted copy goes on where it was. A copy keeps the id of its backup and restores without the original.',
    'Damaged backups of the source are left out and named; the exit code is then that of findings.',
    'wharf repository copy main offsite\nwharf repository copy main tape --backup 20261120T140500Z-7f3a9c1e',
  ].join('\n\n'),
  input,
  positional: ['from', 'to'],
  output: z.strictObject({
    from: z.string(),
    to: z.string(),
    backups: z.array(copied),
    walChunks: z.number(),
    walBytes: z.number(),
    damaged: z.array(z.strictObject({ object: z.string(), message: z.string() })),
  }),
  role: 'operator',
  danger: 'writes',
  errors: ['repository.unknown', 'repository.nothing-to-copy', 'repository.same-repository', 'repository.busy'],
  needs: 'repository',
  where: 'run',
  async run(input, context, signal) {
    if (input.from === input.to) throw errors.sameRepository({ name: input.from })
    const service = await context.use(repositories)
    const [from, to] = [await service.open(input.from, signal), await service.open(input.to, signal)]
    const damaged: { object: string; message: string }[] = []
    const onDamaged = (object: string, error: Error): void => void damaged.push({ object, message: messageOf(error) })
    const chosen = await chooseBackups(from, input, { onDamaged, signal })
    const backups: z.output<typeof copied>[] = []
    const wal = { chunks: 0, bytes: 0 }
    for (const one of chosen) {
      const { walChunks, walBytes, ...done } = await copyBackup({
        from,
        to,
        id: one.id,
        wal: 'needed',
        signal,
        report: (event) => context.progress(event),
      })
      wal.chunks += walChunks
      wal.bytes += walBytes
      backups.push({ ...done, warehouse: one.warehouse })
    }
    if ((input.wal ?? (input.backup === undefined ? 'all' : 'needed')) === 'all') {
      const more = await copyAllWal(chosen, { from, to, onDamaged, context, signal })
      wal.chunks += more.chunks
      wal.bytes += more.bytes
    }
    return { from: input.from, to: input.to, backups, walChunks: wal.chunks, walBytes: wal.bytes, damaged }
  },
  text: (done) =>
    [
      ...done.backups.map((one) =>
        one.state === 'copied'
          ? `${one.id}  ${one.warehouse}  copied: ${one.packs} packs, ${formatSize(one.bytes)}`
          : `${one.id}  ${one.warehouse}  there already`,
      ),
      `${done.walChunks} WAL chunks, ${formatSize(done.walBytes)}`,
      ...done.damaged.map((one) => `NOT COPIED ${one.object}: ${one.message}`),
    ].join('\n'),
  exit: (done) => (done.damaged.length === 0 ? 'ok' : 'findings'),
})

/** Oldest first, so that each finds the maps that it shares. */
async function chooseBackups(
  from: Repository,
  which: { warehouse?: string | undefined; backup?: string | undefined },
  how: { onDamaged: (object: string, error: Error) => void; signal: AbortSignal },
): Promise<readonly BackupSummary[]> {
  const { warehouse, backup } = which
  const all = await from.listBackups(how.signal, {
    ...(warehouse === undefined ? {} : { warehouse }),
    onDamaged: how.onDamaged,
  })
  const chosen = backup === undefined ? all : all.filter((one) => one.id === backup)
  if (chosen.length > 0) return chosen
  const what = backup ?? (warehouse === undefined ? 'at all' : `of warehouse ${warehouse}`)
  throw errors.nothingToCopy({ what, location: from.store.location })
}

/** For each cluster, from the start of its oldest backup on. */
async function copyAllWal(
  chosen: readonly BackupSummary[],
  at: {
    from: Repository
    to: Repository
    onDamaged: (object: string, error: Error) => void
    context: OperationContext
    signal: AbortSignal
  },
): Promise<{ chunks: number; bytes: number }> {
  const total = { chunks: 0, bytes: 0 }
  for (const [systemIdentifier, own] of Map.groupBy(chosen, (one) => one.systemIdentifier)) {
    const fromLsn = own.reduce((least, one) => (one.startLsn < least ? one.startLsn : least), own[0]!.startLsn)
    let done = 0
    const { context, ...rest } = at
    const { chunks, bytes } = await copyWal({
      ...rest,
      systemIdentifier,
      fromLsn,
      onBytes: (more) => context.progress({ phase: 'copying wal', done: (done += more), unit: 'bytes' }),
    })
    total.chunks += chunks
    total.bytes += bytes
  }
  return total
}
