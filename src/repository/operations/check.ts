import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { defineOperation, type OperationContext } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import type { CheckResult } from '../check/check.ts'
import { checkDeclared } from '../checking.ts'
import { declaredRepository } from '../config.ts'
import { repositories } from '../contract.ts'
import { asStored } from '../copy.ts'
import { errors } from '../errors.ts'
import { healFindings, type Healing } from '../heal/heal.ts'

const finding = z.object({
  object: z.string(),
  code: z.string(),
  message: z.string(),
  extents: z
    .array(z.object({ number: z.number(), file: z.string() }))
    .optional()
    .describe('Of a pack: what cannot be read, and the file whose blocks it holds.'),
  backups: z.array(z.string()).optional().describe('Backups that need the object.'),
})

const output = z.object({
  name: z.string(),
  location: z.string(),
  depth: z.enum(['structure', 'share', 'all']),
  objects: z.number(),
  bytes: z.number(),
  checkedObjects: z.number().describe('Objects that were looked at.'),
  checkedBytes: z.number(),
  backups: z.number(),
  walChunks: z.number(),
  remembered: z
    .boolean()
    .optional()
    .describe('No: nothing could be written there, so the next check does not know of this one.'),
  healed: z.array(z.string()).describe('Damaged objects for which a sound replacement stands in.'),
  healings: z
    .array(
      z.object({
        object: z.string(),
        state: z.enum(['healed', 'removed', 'not healed']),
        as: z.string().optional(),
        why: z.string().optional(),
      }),
    )
    .describe('What --heal did.'),
  findings: z.array(finding),
})

const input = z.object({
  name: z.string().optional().describe('May be left out where only one is declared.'),
  depth: z.enum(['structure', 'share', 'all']).prefault('structure').describe('How much to read.'),
  readShare: z.string().optional().describe('For depth share: of all bytes, as 1/30 or 0.05; default 1/30.'),
  heal: z.string().optional().describe('Repository from which damaged and missing objects are brought back.'),
})

/** Healing a manifest shows what else is missing: more rounds than this bring nothing new. */
const MOST_ROUNDS = 3

export const check = defineOperation({
  name: 'repository check',
  summary: 'find what is damaged, missing or out of place in a repository, and heal it from another',
  description: [
    'structure: heads, directories, manifests, segment maps and the index of WAL chunks, and that everything referred to is there.',
    'share: the structure of what is new, and every byte of what was read longest ago, up to a share of all: run daily, everything is read within a month. What was read when is kept in the repository.',
    'all: every byte of every object.',
    'Exits with 10 where something was found. With --heal, what another repository holds as well is brought back, as new objects: nothing is overwritten.',
    'wharf repository check main --depth share --read-share 1/30\nwharf repository check main --depth all --heal offsite',
  ].join('\n\n'),
  input,
  positional: ['name'],
  output,
  role: 'operator',
  danger: 'writes',
  errors: ['repository.unknown', 'repository.not-initialised', 'repository.wrong-key', 'repository.unreachable'],
  needs: 'repository',
  where: 'run',
  async run(input, context, signal) {
    const { name, location } = declaredRepository(context, input.name)
    const { depth } = input
    if (input.heal === name) throw errors.sameRepository({ name })
    const once = (): Promise<CheckResult> =>
      checkDeclared({ name, depth, share: input.readShare }, context, {
        report: (event) => context.progress(event),
        signal,
      })
    let result = await once()
    const healings: Healing[] = []
    for (let round = 0; input.heal !== undefined && round < MOST_ROUNDS && result.findings.length > 0; round++) {
      const done = await heal(result, { name, from: input.heal }, context, signal)
      healings.push(...done)
      if (!done.some((one) => one.state !== 'not healed')) break
      result = await once()
    }
    const findings = result.findings.map(({ object, code, message, ...one }) => ({
      object,
      code,
      message,
      ...(one.extents === undefined ? {} : { extents: [...one.extents] }),
      ...(one.backups === undefined ? {} : { backups: [...one.backups] }),
    }))
    return { name, location, depth, ...result, healed: [...result.healed], healings, findings }
  },
  text: (one) => {
    const looked =
      one.depth === 'share'
        ? `${one.checkedObjects} of ${one.objects} objects, ${formatSize(one.checkedBytes)} of `
        : `${one.objects} objects, `
    const scope = `${looked}${formatSize(one.bytes)}, ${one.backups} backups, ${one.walChunks} WAL chunks`
    const lines = one.healings.map(
      (each) => `  ${each.state}: ${each.object}${each.why === undefined ? '' : `: ${each.why}`}`,
    )
    if (one.healed.length > 0) lines.push(`  ${one.healed.length} damaged objects have a sound replacement`)
    if (one.remembered === false) lines.push('  this check could not be kept: nothing can be written there')
    if (one.findings.length === 0)
      return [`repository "${one.name}" is sound (${one.depth}): ${scope}`, ...lines].join('\n')
    const found = one.findings.flatMap((each) => [
      `  ${each.object}: ${each.message}`,
      ...(each.extents ?? []).map((extent) => `    extent ${extent.number}: ${extent.file}`),
      ...(each.backups === undefined ? [] : [`    backups that need it: ${each.backups.join(', ')}`]),
    ])
    return [
      `repository "${one.name}" has ${one.findings.length} findings (${one.depth}; ${scope}):`,
      ...found,
      ...lines,
    ].join('\n')
  },
  exit: (one) => (one.findings.length === 0 ? 'ok' : 'findings'),
})

async function heal(
  result: CheckResult,
  of: { name: string; from: string },
  context: OperationContext,
  signal: AbortSignal,
): Promise<readonly Healing[]> {
  const service = await context.use(repositories)
  try {
    const [to, from] = [asStored(await service.open(of.name, signal)), asStored(await service.open(of.from, signal))]
    const report = (object: string): void => context.progress({ phase: 'healing', note: object })
    return await healFindings(result.findings, { to, from, signal, report })
  } catch (error) {
    // The keys themselves are damaged: nothing can be opened, and nobody else has them.
    if (!isWharfError(error) || error.exit !== 'damaged') throw error
    return result.findings.map(({ object }) => ({ object, state: 'not healed', why: error.message }))
  }
}
