// What an operator can be told of drills. Codes are `recovery.<key in kebab case>`.
import { defineErrors } from '../../base/errors.ts'

export const drillErrors = defineErrors('recovery', {
  drillFailed: {
    exit: 'findings',
    message: (at: { drill: string; warehouse: string; findings: readonly string[]; more: number }) =>
      `drill ${at.drill} of warehouse "${at.warehouse}" failed: ${at.findings.join('; ')}${at.more > 0 ? `; and ${at.more} more` : ''}`,
    hint: (at) =>
      `wharf drill show ${at.drill} has all of it; until it is mended, take it that this cannot be recovered`,
  },
  unknownDrill: {
    exit: 'notFound',
    message: (drill: string) => `there is no evidence of a drill "${drill}"`,
    hint: () => 'wharf drill list shows what there is',
  },
})
