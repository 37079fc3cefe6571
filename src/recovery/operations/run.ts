import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation, demandConfirmation } from '../../base/operation.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { notReadable, type CriticalReport } from '../critical/readers.ts'
import { refuseAlone } from '../critical/refuse.ts'
import { planText } from '../plan/plan.ts'
import { runFollow } from '../follow/run-follow.ts'
import { runRecovery, type RecoveryReport, type Tools } from '../run-recovery.ts'
import { inclusiveOf, placeOfInput, planOutput, recoveryInput } from './options.ts'
import { replayOutput, replayText } from './loads.ts'
import { targetErrors } from './plan.ts'

const runInput = z.strictObject({
  ...recoveryInput,
  port: whole(1, 65_535).optional().describe('port of the recovered server; default: a free one'),
  set: z.record(z.string(), z.string()).default({}).describe('NAME=VALUE: a setting of the recovered server'),
  binaries: z.string().optional().describe('folder of the PostgreSQL server programs, with --start'),
  workers: whole(1, 64).optional().describe('threads that restore'),
  resume: z.boolean().default(false).describe('the folder holds a restore that was not finished: complete it'),
  follow: z
    .boolean()
    .default(false)
    .describe('a warm standby: replays whatever comes into the repository, until wharf recover cut-over'),
  replayLoads: z
    .boolean()
    .default(false)
    .describe(
      'with --start: run the kept loads again that wrote unlogged tables, as wharf recover loads does, before anybody is let in',
    ),
  criticalPort: whole(1, 65_535)
    .optional()
    .describe('with --critical-first: where the critical tables are read meanwhile; default: a free port'),
  readable: z.boolean().default(false).describe('with --follow: clients may read on loopback meanwhile'),
})
export type RunInput = z.output<typeof runInput>

const connectionProof = z.object({
  databases: z.array(z.string()),
  indexesChecked: z.number(),
  tablesChecked: z.number(),
  withoutAmcheck: z.array(z.string()),
  collations: z
    .array(z.string())
    .describe('collations of another version here: indexes that use them must be made anew'),
})
const runOutput = z.object({
  plan: planOutput,
  restored: z.object({
    files: z.number(),
    bytes: z.number(),
    holeBytes: z.number(),
    writtenBytes: z.number().describe('what was not there already'),
    removed: z.number().describe('files and folders that the backup does not have'),
    fetchMs: z.number(),
  }),
  proof: z
    .object({
      replayed: z.object({ lsn: z.string(), timeline: z.number() }),
      connections: connectionProof,
      pages: z.object({ files: z.number(), bytes: z.number(), checksums: z.boolean() }).optional(),
      scratch: z.object({ relations: z.array(z.string()), doubtful: z.array(z.string()) }).optional(),
      server: z.object({ pid: z.number(), port: z.number(), socketDirectory: z.string(), user: z.string() }),
      times: z.object({
        replayMs: z.number(),
        checkpointMs: z.number(),
        verifyMs: z.number(),
        inspectMs: z.number(),
        startMs: z.number(),
      }),
    })
    .optional(),
  critical: z
    .object({
      relations: z.number(),
      bytes: z.number(),
      readers: z
        .object({
          host: z.string(),
          port: z.number(),
          databases: z.array(z.string()),
          unreadable: z
            .array(z.string())
            .describe('swapped or renamed into place since the backup: errors until the end'),
          afterMs: z.number(),
        })
        .optional(),
      failed: z.string().optional(),
    })
    .optional()
    .describe('with --critical-first: where and after how long the critical tables could be read, or why not'),
  replay: replayOutput.optional(),
  next: z.array(z.string()),
  durationMs: z.number(),
})

export const run = defineOperation<RunInput, RecoveryReport>({
  name: 'recover run',
  summary: 'restore a warehouse into an empty folder, or in place',
  description: [
    'Restores the backup, prepares the server to replay to the target and, with --start, starts it, proves that it stands at the target and is whole, and leaves it running. Success is reported only then.',
    'The result is a silent copy: it archives nothing, subscribes to nothing, loads only the libraries that replay needs and listens on loopback only. --original keeps the configuration, archive_mode included, as a replacement of a server that is gone needs it.',
    '--in-place DIRECTORY recovers the stopped server itself: first the WAL in its pg_wal that the repository lacks is stored there, then every block is compared with the backup and only what differs is written, tablespaces included. Your configuration stays as it is. If it is interrupted, run the same command again.',
    "--critical-first lets readers in early: before the rest is restored, the tables of tier critical (backup.<warehouse>.tiers in wharf.yaml when the backup was taken) come back into a server of their own, read-only, at the same target. The warehouse's own roles read there, on loopback, by its pg_hba.conf or with their password; whatever did not come answers with an error. It ends when everything is open.",
    '--follow makes a warm standby that is fed from the repository alone: it stays in the foreground, tells its lag, and ends when wharf recover cut-over DIRECTORY asks it to open, replayed to the end of what the repository holds and proven. Interrupted, the same command goes on with it.',
    'wharf recover run retail --to-directory /restore --latest --start\nwharf recover run retail --in-place /var/lib/postgresql/18/main --latest --start\nwharf recover run retail --to-directory /restore --before-load 01JD… --start --verify full\nwharf recover run retail --repository-path /mnt/backups --key-file /root/wharf.key --to-directory /restore --latest',
  ].join('\n\n'),
  input: runInput,
  positional: ['warehouse'],
  output: runOutput as z.ZodType<RecoveryReport>,
  role: 'admin',
  danger: 'destroys',
  errors: [
    ...targetErrors,
    'recovery.target-not-empty',
    'recovery.target-in-use',
    'recovery.other-cluster',
    'recovery.no-cluster',
    'recovery.corrupt-blocks',
    'recovery.no-space',
    'recovery.verify-failed',
    'recovery.critical-no-follow',
    'repository.damaged-extent',
  ],
  needs: 'repository',
  where: 'run',
  run: (input, context, signal) => {
    const { follow, ...rest } = input
    refuseAlone(input)
    const request = { ...rest, ...placeOfInput(input), inclusive: inclusiveOf(input) }
    const tools: Tools = {
      report: (event) => context.progress(event),
      confirm: async (plan, question) => {
        context.say?.(planText(plan))
        await demandConfirmation(context, question)
      },
      say: context.say?.bind(context),
      signal,
    }
    return follow ? runFollow(request, context, tools) : runRecovery(request, context, tools)
  },
  text: reportText,
})

function reportText(report: RecoveryReport): string {
  const { plan, restored, proof } = report
  const { files, bytes, holeBytes, writtenBytes, removed, fetchMs } = restored
  const over =
    plan.inPlace || writtenBytes + holeBytes < bytes
      ? `compared ${files} files (${formatSize(bytes)}) in ${formatDuration(fetchMs)}: wrote ${formatSize(writtenBytes)}, removed ${removed} that the backup does not have`
      : `restored ${files} files in ${formatDuration(fetchMs)}`
  const lines = [planText(plan), '', over]
  if (proof) {
    const { connections, pages, times } = proof
    lines.push(
      `replayed to ${proof.replayed.lsn} in ${formatDuration(times.replayMs)}, opened timeline ${proof.replayed.timeline}`,
      `proven in ${formatDuration(times.verifyMs)}: databases ${connections.databases.join(', ')} open` +
        (connections.tablesChecked > 0
          ? `, amcheck passed ${connections.tablesChecked} tables and ${connections.indexesChecked} indexes`
          : '') +
        (pages ? `, ${pages.checksums ? 'page checksums' : 'page headers'} of ${pages.files} files are good` : ''),
      ...connections.collations.map((one) => `warning: ${one}: REINDEX what uses it, then ALTER … REFRESH VERSION`),
    )
  }
  if (report.critical) lines.push(...criticalLines(report.critical))
  if (report.replay) lines.push('', replayText(report.replay), '')
  return [...lines, ...report.next].join('\n')
}

function criticalLines({ relations, bytes, readers, failed }: CriticalReport): readonly string[] {
  if (!readers) return [`critical tables were not readable before the rest: ${failed}`]
  return [
    `${relations} critical ${relations === 1 ? 'table' : 'tables'} (${formatSize(bytes)}) could be read after ${formatDuration(readers.afterMs)}, until everything was open`,
    ...readers.unreadable.map(notReadable),
  ]
}
