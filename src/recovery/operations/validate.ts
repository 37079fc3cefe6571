import { z } from 'zod'

import { whole } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { validate as readAll, type Validation } from '../validate/validate.ts'
import { inclusiveOf, recoveryInput } from './options.ts'
import { targetErrors } from './plan.ts'

const {
  toDirectory: _to,
  inPlace: _place,
  tablespace: _spaces,
  owner: _owner,
  original: _original,
  ...rest
} = recoveryInput
const { allowCorrupt: _corrupt, start: _start, verify: _verify, ...targets } = rest
const input = z.strictObject({ ...targets, workers: whole(1, 64).optional().describe('threads that read') })

const output = z.object({
  warehouse: z.string(),
  repository: z.string(),
  backup: z.string(),
  target: z.string(),
  read: z.object({ files: z.number(), bytes: z.number(), chunks: z.number(), walBytes: z.number() }),
  damagedFiles: z.array(
    z.object({
      file: z.string(),
      relation: z.string().optional(),
      blocks: z.array(z.string()).describe('ranges of blocks; none: the whole file'),
      extents: z.array(z.object({ pack: z.string(), number: z.number() })),
      why: z.string(),
    }),
  ),
  damagedWal: z.array(z.object({ object: z.string(), from: z.string(), to: z.string(), why: z.string() })),
  badAtSource: z.array(z.string()),
  consequences: z.array(z.string()),
  durationMs: z.number(),
})

export const validate = defineOperation<z.output<typeof input>, Validation>({
  name: 'recover validate',
  summary: 'read all that a recovery would need, and write nothing',
  description: [
    'Finds the backup and the WAL for the target as recover plan does, reads and authenticates every extent and every chunk of it with as many threads as a restore, and writes nothing. What is damaged is named by file and block, with what it means for the recovery.',
    'Ends with exit code 10 where something is damaged. It proves that the bytes are those that were stored; that they make a working server is proven by recover run --start and by drills.',
    'wharf recover validate retail --latest\nwharf recover validate retail --at "2026-11-20 14:05:00+01:00" --json',
  ].join('\n\n'),
  input,
  positional: ['warehouse'],
  output: output as z.ZodType<Validation>,
  role: 'viewer',
  danger: 'none',
  errors: targetErrors,
  needs: 'repository',
  where: 'run',
  run: (wishes, context, signal) =>
    readAll({ ...wishes, inclusive: inclusiveOf(wishes) }, context, {
      report: (event) => context.progress(event),
      signal,
    }),
  exit: (found) => (found.damagedFiles.length + found.damagedWal.length > 0 ? 'findings' : 'ok'),
  text: validationText,
})

function validationText(found: Validation): string {
  const { read, damagedFiles, damagedWal, badAtSource } = found
  const lines = [
    `recovery of ${found.warehouse} to ${found.target}, from backup ${found.backup} in repository ${found.repository}`,
    `read ${read.files} files (${formatSize(read.bytes)}) and ${read.chunks} chunks of WAL (${formatSize(read.walBytes)}) in ${formatDuration(found.durationMs)}; nothing was written`,
    ...damagedFiles.map(
      (one) =>
        `damaged: ${one.file}${one.blocks.length > 0 ? ` blocks ${one.blocks.join(', ')}` : ''}${one.relation === undefined ? '' : ` (${one.relation})`}: ${one.why}`,
    ),
    ...damagedWal.map((one) => `damaged: WAL from ${one.from} to ${one.to}: ${one.why}`),
    ...badAtSource.map((one) => `damaged at the source already, and stored so: ${one}`),
    ...found.consequences,
  ]
  if (damagedFiles.length + damagedWal.length === 0) lines.push('all of it is as it was stored')
  return lines.join('\n')
}
