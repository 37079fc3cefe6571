// What is wrong in wharf.yaml, each with its place; and the one error that carries all of it.
import { defineErrors, formatPlace, type Place, type WharfError } from '../../base/errors.ts'

export interface PlacedFinding {
  readonly place: Place
  readonly message: string
  readonly hint?: string | undefined
}

export const configErrors = defineErrors('config', {
  invalid: {
    exit: 'configuration',
    message: (findings: readonly PlacedFinding[]) => invalidMessage(findings),
    hint: (findings: readonly PlacedFinding[]) =>
      (findings.length === 1 && findings[0]?.hint) ||
      'wharf config check shows what is wrong, wharf config schema what is allowed',
  },
  notThere: {
    exit: 'configuration',
    message: (at: { file: string; from: string }) => `there is no configuration file ${at.file} (named by ${at.from})`,
    hint: () =>
      'check the path; without --config and WHARF_CONFIG the files ./wharf.yaml and <home>/wharf.yaml are looked for',
  },
  unreadable: {
    exit: 'configuration',
    message: (at: { file: string; reason: string }) => `cannot read the configuration file ${at.file}: ${at.reason}`,
    hint: () => 'the user that runs wharf needs the right to read it, and it must be a file',
  },
})

function invalidMessage(findings: readonly PlacedFinding[]): string {
  const [first] = findings
  if (findings.length === 1 && first) return first.message
  const lines = findings.map((finding) => `  ${formatFinding(finding)}`)
  return [`${findings.length} errors in the configuration`, ...lines].join('\n')
}

/** `wharf.yaml:3:5: unknown key "repositry" (did you mean "repository"?)` */
export function formatFinding(finding: PlacedFinding): string {
  const hint = finding.hint === undefined ? '' : ` (${finding.hint})`
  return `${formatPlace(finding.place)}: ${finding.message}${hint}`
}

/** The error for one or more findings; its place is that of the first. */
export function invalidConfig(findings: readonly PlacedFinding[]): WharfError {
  return configErrors.invalid(findings, findings[0] ? { place: findings[0].place } : {})
}
