import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { auditVerdict, missingByAudit } from '../drills/audited.ts'
import type { Archive, KeptDrill } from '../drills/archive.ts'
import { evidenceSchema } from '../drills/shapes.ts'
import { evidenceText } from '../drills/text.ts'
import { drillErrors as errors } from '../drills/errors.ts'
import { drillsOf } from '../drills/unended.ts'

const output = z.object({
  evidence: evidenceSchema.nullable(),
  digest: z.string(),
  whole: z.boolean(),
  problems: z.array(z.string()),
  fingerprint: z.string().nullable(),
  audited: z.enum(['agrees', 'differs', 'missing', 'not asked']),
})
type Output = z.output<typeof output>

export const drillShow = defineOperation<{ drill: string }, Output>({
  name: 'drill show',
  summary: 'show the evidence of a drill, and whether it is as it was written',
  description:
    'The signature of the document, its place in the chain of all drills, and, where the control database runs, the hash that its audit chain holds are checked. Ends with the exit code "findings" when it was edited.\n\nwharf drill show 20261129T040000Z-7f3a9c1e\nwharf drill show last',
  input: z.strictObject({ drill: z.string().min(1).describe('its id, its number, or "last"') }),
  positional: ['drill'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['recovery.unknown-drill'],
  needs: 'nothing',
  where: 'here',
  run: async ({ drill }, context) => {
    const { archive, audited: known, here } = await drillsOf(context)
    const found = find(archive, drill)
    if (!found) throw errors.unknownDrill(drill)
    const audited = auditVerdict(found, known)
    const problems = [
      ...found.problems,
      ...archive.problems,
      ...(audited === 'differs' ? ['the audit chain of the control database holds another hash of it'] : []),
      ...missingByAudit(archive, known, here),
    ]
    return {
      evidence: found.evidence ?? null,
      digest: found.digest,
      whole: problems.length === 0,
      problems,
      fingerprint: archive.fingerprint ?? null,
      audited,
    }
  },
  text: showText,
  exit: ({ whole }) => (whole ? 'ok' : 'findings'),
})

function find({ drills }: Archive, wanted: string): KeptDrill | undefined {
  if (wanted === 'last') return drills.at(-1)
  return drills.find((one) => one.evidence?.id === wanted || String(one.number) === wanted)
}

const auditWords = {
  agrees: 'the audit chain holds the same hash',
  differs: 'the audit chain holds ANOTHER hash',
  missing: 'the audit chain does not know of it (no control database ran when it ended)',
  'not asked': 'no control database runs, so the audit chain was not asked',
} as const

function showText(shown: Output): string {
  const seal = shown.whole
    ? [
        `  evidence    whole: signed by key ${shown.fingerprint}, in its place in the chain; ${auditWords[shown.audited]}`,
        `              sha256 ${shown.digest}`,
      ]
    : []
  const edited = shown.whole
    ? []
    : ['EDITED: this evidence is not what was written', ...shown.problems.map((one) => `  ${one}`), '']
  const text = shown.evidence ? evidenceText(shown.evidence) : 'it cannot be read any more'
  return [...edited, text, ...seal].join('\n')
}
