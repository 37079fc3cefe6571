import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation, type OperationContext } from '../../base/operation.ts'
import { countsSchema, defaultDrillPolicy, drillsSection, tierSchema, verifySchema } from '../drills/config.ts'
import { recoveryErrors as errors } from '../errors.ts'
import { runDrill } from '../drills/run-drill.ts'
import { makeRunSheet, sheetMarkdown, sheetText, type RunSheet } from '../drills/run-sheet.ts'
import { evidenceSchema } from '../drills/shapes.ts'
import { evidenceText } from '../drills/text.ts'
import { lossLines } from '../plan/loss-text.ts'
import { prepareRecovery } from '../plan/prepare.ts'
import { inclusiveOf, recoveryInput } from './options.ts'
import { targetErrors } from './plan.ts'

const all = recoveryInput

const input = z.strictObject({
  warehouse: all.warehouse,
  repository: all.repository,
  repositoryPath: all.repositoryPath,
  repositoryS3: all.repositoryS3,
  s3Endpoint: all.s3Endpoint,
  s3Region: all.s3Region,
  s3PathStyle: all.s3PathStyle,
  s3Profile: all.s3Profile,
  keyFile: all.keyFile,
  passphraseFile: all.passphraseFile,
  backup: all.backup,
  latest: all.latest,
  at: all.at,
  lsn: all.lsn,
  name: all.name,
  xid: all.xid,
  beforeLoad: all.beforeLoad,
  inclusive: all.inclusive,
  exclusive: all.exclusive,
  timeline: all.timeline,
  owner: all.owner,
  random: z.boolean().default(false).describe('target: a moment of the recoverable window that is drawn by lot'),
  folder: z
    .string()
    .optional()
    .describe('where the sandbox is made and removed again; default: that of drills in wharf.yaml, else under home'),
  tier: tierSchema.default('all').describe('recover everything, or only the tables of tier critical'),
  verify: verifySchema.optional().describe('how much is proven; default: full'),
  counts: countsSchema
    .optional()
    .describe('rows and sums that are kept as evidence; default: of the tables that loads write'),
  set: z.record(z.string(), z.string()).default({}).describe('NAME=VALUE: a setting of the sandbox'),
  binaries: z.string().optional().describe('folder of the PostgreSQL server programs'),
  workers: whole(1, 64).optional().describe('threads that restore'),
  keep: z.boolean().default(false).describe('leave the sandbox, stopped, instead of removing it'),
  tableTop: z.boolean().default(false).describe('do nothing: print the run sheet for people, with predicted times'),
  markdown: z.boolean().default(false).describe('with --table-top: as Markdown'),
})
type Input = z.output<typeof input>

const sheet = z.object({
  warehouse: z.string(),
  madeAt: z.string(),
  target: z.string(),
  backup: z.string(),
  repository: z.string(),
  expectedMs: z.number(),
  lowMs: z.number(),
  highMs: z.number(),
  basis: z.enum(['measured', 'assumed']),
  roles: z.array(z.object({ role: z.string(), person: z.string().nullable(), does: z.string() })),
  steps: z.array(
    z.object({
      role: z.string(),
      what: z.string(),
      commands: z.array(z.string()),
      expectedMs: z.number().nullable(),
      lowMs: z.number().nullable(),
      highMs: z.number().nullable(),
    }),
  ),
  lost: z.array(z.string()),
  questions: z.array(z.string()),
}) as z.ZodType<RunSheet>

const output = z.object({
  drill: z.object({ evidence: evidenceSchema, digest: z.string(), folder: z.string().optional() }).optional(),
  sheet: sheet.optional(),
  markdown: z.boolean(),
})
type Output = z.output<typeof output>

export const drillRun = defineOperation<Input, Output>({
  name: 'drill run',
  summary: 'rehearse a recovery: carry it out in a sandbox, prove the result, keep the evidence',
  description: [
    'Recovers the warehouse into a folder of its own, replays to the target (the end of WAL unless one is named), and looks at the result behind closed doors: page checksums, amcheck, visibility maps, loads against WAL, rows and sums by partition, and the check queries of drills in wharf.yaml. Then the sandbox is removed. The live warehouse is never touched.',
    'What was done, how long each step took beside what was predicted, and what was found is kept, signed and chained: wharf drill show. A drill that finds something fails, and names file, block and table where it can.',
    'With --tier critical only the tables of that tier are recovered (backup.<warehouse>.tiers in wharf.yaml when the backup was taken) and looked at; check queries that need others are not run, and said. It takes less time and disk, and proves nothing of the rest.',
    'With --table-top nothing is done: it prints the run sheet of a recovery, with roles for people, commands to type and predicted times.',
    'wharf drill run retail\nwharf drill run retail --at "2026-11-20 14:05:00+01:00" --folder /srv/drills\nwharf drill run retail --random\nwharf drill run retail --table-top --markdown > run-sheet.md',
  ].join('\n\n'),
  input,
  positional: ['warehouse'],
  output,
  role: 'operator',
  danger: 'writes',
  errors: [...targetErrors, 'recovery.drill-failed', 'recovery.no-space', 'recovery.no-binaries'],
  needs: 'repository',
  where: 'run',
  run: async (asked, context, signal) => {
    const request = { ...asked, ...targetOf(asked), inclusive: inclusiveOf(asked) }
    if (asked.tableTop) refuseOnSheet(asked)
    if (asked.tableTop) return { sheet: await runSheet(request, context, signal), markdown: asked.markdown }
    const drill = await runDrill({ ...request, trigger: 'command', actor: context.actor }, context, {
      report: (event) => context.progress(event),
      signal,
    })
    return { drill: { ...drill, ...(drill.folder === undefined ? { folder: undefined } : {}) }, markdown: false }
  },
  text: textOf,
})

/** A run sheet is of the recovery of everything to a target that people can name. */
function refuseOnSheet({ tier, random }: Input): void {
  const refused = (option: string, text: string, why: string) => errors.badOption({ option, text, why })
  if (tier !== 'all')
    throw refused('--tier', tier, 'a run sheet is of everything: leave it out, or leave --table-top out')
  if (random)
    throw refused('--random', 'true', 'nobody types a target that is drawn: name one, or leave --table-top out')
}

/** The end of WAL unless a target is named. */
function targetOf(asked: Input): { latest?: boolean } {
  const named = asked.at ?? asked.lsn ?? asked.name ?? asked.xid ?? asked.beforeLoad
  return named === undefined ? { latest: true } : {}
}

function textOf(done: Output): string {
  if (done.sheet) return done.markdown ? sheetMarkdown(done.sheet) : sheetText(done.sheet)
  if (!done.drill) return ''
  const { evidence, digest, folder } = done.drill
  return [
    evidenceText(evidence),
    `  evidence    number ${evidence.number}, sha256 ${digest}`,
    ...(folder === undefined ? [] : [`  sandbox     ${folder} (stopped; remove it when you have seen it)`]),
  ].join('\n')
}

async function runSheet(asked: Input, context: OperationContext, signal: AbortSignal): Promise<RunSheet> {
  const policy = context.section(drillsSection)[asked.warehouse] ?? defaultDrillPolicy
  const prepared = await prepareRecovery(
    {
      ...asked,
      ...targetOf(asked),
      inclusive: inclusiveOf(asked),
      repository: asked.repository ?? policy.repository,
      toDirectory: asked.folder ?? policy.folder ?? '/restore',
      tablespace: {},
      original: false,
      allowCorrupt: false,
      start: true,
      verify: asked.verify ?? policy.verify,
    },
    context,
    signal,
  )
  await prepared.close()
  return makeRunSheet({
    plan: prepared.plan,
    options: typedOptions(asked),
    policy,
    madeAt: new Date(context.clock.now()).toISOString(),
    lossLines: lossLines(prepared.plan.lost),
  })
}

/** Options of target and repository as a person types them again. */
function typedOptions(asked: Input): readonly string[] {
  const texts: readonly (readonly [string, string | number | undefined])[] = [
    ['--at', asked.at],
    ['--lsn', asked.lsn],
    ['--name', asked.name],
    ['--xid', asked.xid],
    ['--before-load', asked.beforeLoad],
    ['--backup', asked.backup],
    ['--timeline', asked.timeline],
    ['--repository', asked.repository],
    ['--repository-path', asked.repositoryPath],
    ['--repository-s3', asked.repositoryS3],
    ['--s3-endpoint', asked.s3Endpoint],
    ['--s3-region', asked.s3Region],
    ['--s3-profile', asked.s3Profile],
    ['--key-file', asked.keyFile],
    ['--passphrase-file', asked.passphraseFile],
  ]
  return [
    ...(targetOf(asked).latest ? ['--latest'] : []),
    ...texts.flatMap(([option, value]) => (value === undefined ? [] : [option, String(value)])),
    ...(asked.exclusive ? ['--exclusive'] : []),
    ...(asked.inclusive ? ['--inclusive'] : []),
    ...(asked.s3PathStyle ? ['--s3-path-style'] : []),
  ]
}
