import { z } from 'zod'

import { withTimeLimit } from '../../base/clock.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { doctorChecks, type Context, type DoctorCheck, type DoctorResult } from '../../base/room.ts'
import { createContext } from '../../base/context.ts'
import { formatFinding } from '../config/findings.ts'
import { defaultSections, sectionsOf } from '../config/load.ts'
import { examineNow } from '../reopen.ts'

/** A check that takes longer has failed: a doctor that hangs tells nothing. */
const CHECK_LIMIT_MS = 20_000

const lineSchema = z.strictObject({
  name: z.string(),
  state: z.enum(['ok', 'warning', 'failed', 'skipped']),
  message: z.string(),
  hint: z.string().optional(),
})
type Line = z.infer<typeof lineSchema>

export const doctor = defineOperation({
  name: 'doctor',
  summary: 'check machine, installation, configuration, warehouses and repositories',
  description: 'Exit code 10 where a check failed; warnings do not count.',
  input: z.strictObject({}),
  output: z.strictObject({ checks: z.array(lineSchema) }),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  run: async (_input, context, signal) => {
    const configuration = await examineConfiguration(context)
    await using scope = new AsyncDisposableStack()
    const { clock, random, environment, log, home, configFile, rooms } = context
    const sections = configuration.sections ?? defaultSections(sectionsOf(rooms))
    const whole = createContext({ clock, random, environment, log, home, configFile, rooms, sections }, scope)
    const checks: Line[] = [configuration.line]
    for (const check of context.offers(doctorChecks)) {
      context.progress({ phase: 'checking', note: check.name })
      checks.push(await runCheck(check, whole, signal))
    }
    return { checks }
  },
  text: ({ checks }) => checks.map(formatLine).join('\n'),
  exit: ({ checks }) => (checks.some((check) => check.state === 'failed') ? 'findings' : 'ok'),
})

async function examineConfiguration(
  context: Context,
): Promise<{ line: Line; sections?: Readonly<Record<string, unknown>> }> {
  const name = 'configuration'
  try {
    const { findings, sections, exists } = await examineNow(context)
    const [first] = findings
    if (first) {
      const more = findings.length > 1 ? ` and ${findings.length - 1} more` : ''
      return {
        line: {
          name,
          state: 'failed',
          message: `${formatFinding(first)}${more}`,
          hint: 'wharf config check shows all of it',
        },
      }
    }
    const message = exists ? `${context.configFile} is sound` : `no ${context.configFile}: everything has its default`
    return {
      line: {
        name,
        state: exists ? 'ok' : 'warning',
        message,
        ...(exists ? {} : { hint: 'wharf warehouse add writes one' }),
      },
      sections,
    }
  } catch (error) {
    return { line: { name, ...failed(error) } }
  }
}

async function runCheck(check: DoctorCheck, context: Context, signal: AbortSignal): Promise<Line> {
  try {
    return { name: check.name, ...(await check.run(context, withTimeLimit(signal, CHECK_LIMIT_MS))) }
  } catch (error) {
    signal.throwIfAborted()
    return { name: check.name, ...failed(error) }
  }
}

function failed(error: unknown): DoctorResult {
  const hint = isWharfError(error) ? error.hint : undefined
  return { state: 'failed', message: messageOf(error), ...(hint === undefined ? {} : { hint }) }
}

function formatLine({ name, state, message, hint }: Line): string {
  const head = `${state.padEnd(7)}  ${name}: ${message}`
  return hint === undefined ? head : `${head}\n${' '.repeat(9)}hint: ${hint}`
}
