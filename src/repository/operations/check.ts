import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { checkRepository } from '../check/check.ts'
import { declaredRepository } from '../config.ts'
import { openStore } from '../stores.ts'

const output = z.object({
  name: z.string(),
  location: z.string(),
  depth: z.enum(['structure', 'all']),
  objects: z.number(),
  bytes: z.number(),
  backups: z.number(),
  walChunks: z.number(),
  findings: z.array(z.object({ object: z.string(), code: z.string(), message: z.string() })),
})

export const check = defineOperation({
  name: 'repository check',
  summary: 'find what is damaged, missing or out of place in a repository',
  description:
    'structure: heads, directories, manifests, segment maps and the index of WAL chunks, and that everything referred to is there.\n\nall: every byte of every object, as well. Exits with 10 where something was found.',
  input: z.object({
    name: z.string().optional().describe('May be left out where only one is declared.'),
    depth: z.enum(['structure', 'all']).prefault('structure').describe('How much to read.'),
  }),
  positional: ['name'],
  output,
  role: 'operator',
  danger: 'none',
  errors: ['repository.unknown', 'repository.not-initialised', 'repository.wrong-key', 'repository.unreachable'],
  needs: 'repository',
  where: 'run',
  async run(input, context, signal) {
    const { name, location, descriptor, unlock } = declaredRepository(context, input.name)
    const store = await openStore(descriptor, signal)
    const progress = (event: Parameters<typeof context.progress>[0]) => context.progress(event)
    const result = await checkRepository({ store, unlock, depth: input.depth, signal, progress })
    return { name, location, depth: input.depth, ...result, findings: [...result.findings] }
  },
  text: (one) => {
    const scope = `${one.objects} objects, ${formatSize(one.bytes)}, ${one.backups} backups, ${one.walChunks} WAL chunks`
    if (one.findings.length === 0) return `repository "${one.name}" is sound (${one.depth}): ${scope}`
    const lines = one.findings.map((finding) => `  ${finding.object}: ${finding.message}`)
    return [`repository "${one.name}" has ${one.findings.length} findings (${one.depth}; ${scope}):`, ...lines].join(
      '\n',
    )
  },
  exit: (one) => (one.findings.length === 0 ? 'ok' : 'findings'),
})
