import { z } from 'zod'

import { formatTime } from '../../base/clock.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatPairs } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { declaredRepository } from '../config.ts'
import { repositories } from '../contract.ts'
import { countRepository } from '../facts.ts'
import { listKeys, readFormat, readSlot } from '../keys/store.ts'

const output = z.object({
  name: z.string(),
  location: z.string(),
  id: z.string(),
  encrypted: z.boolean(),
  createdAt: z.string(),
  keys: z.array(z.object({ slot: z.string(), by: z.enum(['passphrase', 'key-file', 'wrapper']) })),
  objects: z.number(),
  bytes: z.number(),
  backups: z.array(z.object({ warehouse: z.string(), id: z.string(), kind: z.string(), finishedAt: z.string() })),
  unfinished: z.array(
    z.object({ warehouse: z.string(), id: z.string(), startedAt: z.string(), leaseUntil: z.string() }),
  ),
  wal: z.array(
    z.object({ systemIdentifier: z.string(), timeline: z.number(), fromLsn: z.string(), toLsn: z.string() }),
  ),
  damaged: z.array(z.object({ object: z.string(), message: z.string() })),
})

export const show = defineOperation({
  name: 'repository show',
  summary: 'one repository: keys, backups, ranges of WAL',
  input: z.object({ name: z.string().optional().describe('May be left out where only one is declared.') }),
  positional: ['name'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['repository.unknown', 'repository.not-initialised', 'repository.wrong-key', 'repository.unreachable'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { name, location } = declaredRepository(context, input.name)
    const repository = await (await context.use(repositories)).open(name, signal)
    const at = { store: repository.store, signal }
    const { createdMs } = await readFormat(at)
    const slots = await Promise.all((await listKeys(at)).slots.map((slot) => readSlot(slot, at)))
    const facts = await countRepository(repository, signal)
    const damaged: { object: string; message: string }[] = []
    const backups = await repository.listBackups(signal, {
      onDamaged: (object, error) => damaged.push({ object, message: error.message }),
    })
    return {
      name,
      location,
      id: repository.id,
      encrypted: repository.encrypted,
      createdAt: formatTime(createdMs),
      keys: slots.map(({ slot, by }) => ({ slot, by })),
      objects: facts.objects,
      bytes: facts.bytes,
      backups: backups.map(({ warehouse, id, kind, finishedMs }) => ({
        warehouse,
        id,
        kind,
        finishedAt: formatTime(finishedMs),
      })),
      unfinished: (await repository.listUnfinished(signal)).map(({ warehouse, id, startedMs, leaseUntilMs }) => ({
        warehouse,
        id,
        startedAt: formatTime(startedMs),
        leaseUntil: formatTime(leaseUntilMs),
      })),
      wal: facts.wal.flatMap(({ systemIdentifier, ranges }) =>
        ranges.map(({ timeline, startLsn, endLsn }) => ({
          systemIdentifier: systemIdentifier.toString(),
          timeline,
          fromLsn: formatLsn(startLsn),
          toLsn: formatLsn(endLsn),
        })),
      ),
      damaged,
    }
  },
  text: (one) =>
    [
      formatPairs([
        ['repository', one.name],
        ['location', one.location],
        ['id', one.id],
        ['encrypted', one.encrypted ? `yes (${one.keys.map((key) => key.by).join(', ')})` : 'no'],
        ['created', one.createdAt],
        ['holds', `${one.objects} objects, ${formatSize(one.bytes)}`],
        ['backups', String(one.backups.length)],
      ]),
      ...one.backups.map(
        (backup) => `  ${backup.id}  ${backup.warehouse}  ${backup.kind}  finished ${backup.finishedAt}`,
      ),
      ...one.unfinished.map((backup) => `  ${backup.id}  ${backup.warehouse}  running since ${backup.startedAt}`),
      ...one.wal.map(
        (range) => `wal of ${range.systemIdentifier}, timeline ${range.timeline}: ${range.fromLsn} to ${range.toLsn}`,
      ),
      ...one.damaged.map((finding) => `DAMAGED ${finding.object}: ${finding.message}`),
    ].join('\n'),
})
