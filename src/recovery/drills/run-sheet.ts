// The table-top: what people would do, in which order, who does it, what they type and how long it is predicted to take. Nothing is done.
import { shellQuoted } from '../../base/shell.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import type { RecoveryPlan } from '../plan/plan.ts'
import type { Basis } from '../rates/times.ts'
import type { DrillPolicy } from './config.ts'

export type RoleName = keyof DrillPolicy['roles']

/** Quoted only where a shell needs it: people type these. */
function word(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : shellQuoted(text)
}

export interface SheetStep {
  readonly role: RoleName
  readonly what: string
  readonly commands: readonly string[]
  /** Undefined: nobody can predict how long people take. */
  readonly expectedMs: number | null
  readonly lowMs: number | null
  readonly highMs: number | null
}

export interface RunSheet {
  readonly warehouse: string
  readonly madeAt: string
  readonly target: string
  readonly backup: string
  readonly repository: string
  readonly expectedMs: number
  readonly lowMs: number
  readonly highMs: number
  readonly basis: Basis
  readonly roles: readonly { readonly role: RoleName; readonly person: string | null; readonly does: string }[]
  readonly steps: readonly SheetStep[]
  readonly lost: readonly string[]
  readonly questions: readonly string[]
}

const duties: Readonly<Record<RoleName, string>> = {
  lead: 'decides, keeps the clock, says when it is over',
  operator: 'types the commands',
  platform: 'machines, disks, network, access to the repository and its key',
  owner: 'knows what the data must look like; accepts the result',
  messenger: 'tells users and management, every half hour',
}

export interface SheetParts {
  readonly plan: RecoveryPlan
  /** Options of the target and repository as typed: `--latest`. */
  readonly options: readonly string[]
  readonly policy: DrillPolicy
  readonly madeAt: string
  readonly lossLines: readonly string[]
}

export function makeRunSheet(parts: SheetParts): RunSheet {
  const { plan, policy } = parts
  return {
    warehouse: plan.warehouse,
    madeAt: parts.madeAt,
    target: `${plan.target.asked}: ${plan.target.resolved}`,
    backup: plan.backup.id,
    repository: plan.repository,
    ...plan.time,
    roles: (Object.keys(duties) as RoleName[]).map((role) => ({
      role,
      person: policy.roles[role] ?? null,
      does: duties[role],
    })),
    steps: stepsOf(parts),
    lost: parts.lossLines,
    questions: [
      'Who may decide to recover, and who if they are away?',
      'Where is the key of the repository if this host is gone, and who has tried it from another host?',
      'Is there a machine with the space named above, and the PostgreSQL programs of that version?',
      'Who tells the users what is lost, and who loads it again?',
      'How would we know that the recovered data is right?',
    ],
  }
}

function stepsOf({ plan, options, policy }: SheetParts): readonly SheetStep[] {
  const byPeople = (role: RoleName, what: string, commands: readonly string[] = []): SheetStep => ({
    role,
    what,
    commands,
    expectedMs: null,
    lowMs: null,
    highMs: null,
  })
  const target = options.map(word).join(' ')
  const need = plan.space.map((one) => `${formatSize(one.neededBytes)} for ${one.folders.join(', ')}`).join('; ')
  const names = Object.keys(policy.checks)
  return [
    byPeople('lead', 'Declare the incident; name who has which role; start the clock.'),
    byPeople('messenger', 'Say that the warehouse is away and when there will be news.'),
    byPeople('operator', 'See what is recoverable, what would be lost and what is wrong.', [
      `wharf status ${plan.warehouse}`,
    ]),
    byPeople('operator', 'Stop loads and writers, if the old server still runs.', [
      `wharf load list`,
      'psql -c "ALTER SYSTEM SET default_transaction_read_only = on" -c "SELECT pg_reload_conf()"',
    ]),
    byPeople('lead', 'Choose the moment to go back to, with the owner.'),
    byPeople('platform', `Have the space ready: ${need}; PostgreSQL ${Math.floor(plan.postgresVersion / 10_000)}.`),
    byPeople('operator', 'Look at the plan: steps, loss, time.', [
      `wharf recover plan ${plan.warehouse} --to-directory ${word(plan.directory)} ${target} --start`,
    ]),
    {
      role: 'operator',
      what: 'Recover. The command shows how far it is and how long it has left.',
      commands: [
        `wharf recover run ${plan.warehouse} --to-directory ${word(plan.directory)} ${target} --start --verify full`,
      ],
      expectedMs: plan.time.expectedMs,
      lowMs: plan.time.lowMs,
      highMs: plan.time.highMs,
    },
    byPeople(
      'owner',
      names.length === 0
        ? 'Look at the data: newest rows, totals of the last days. (No check queries are declared: see drills.checks.)'
        : `Look at the data; the declared checks are ${names.join(', ')}.`,
    ),
    byPeople('operator', 'Take a backup of the recovered server and let its WAL be received, before it is opened.', [
      `wharf backup run ${plan.warehouse} --kind full`,
    ]),
    byPeople('operator', 'Bring back what was lost: load it again from the journal on.', [
      `wharf load journal ${plan.warehouse}`,
    ]),
    byPeople('platform', 'Point users at the recovered server.'),
    byPeople('messenger', 'Say that it is back, and what is missing.'),
    byPeople('lead', 'Close the incident; write down what took longer than this sheet says.'),
  ]
}

function timeText(one: { expectedMs: number | null; lowMs: number | null; highMs: number | null }): string {
  if (one.expectedMs === null) return ''
  return `${formatDuration(one.expectedMs)} (${formatDuration(one.lowMs!)} to ${formatDuration(one.highMs!)})`
}

export function sheetText(sheet: RunSheet): string {
  const people = sheet.roles.map(
    (one) => `  ${one.role.padEnd(10)} ${(one.person ?? '____________').padEnd(16)} ${one.does}`,
  )
  const steps = sheet.steps.flatMap((one, index) => [
    `${String(index + 1).padStart(3)}. ${one.role}: ${one.what}${one.expectedMs === null ? '' : ` ${timeText(one)}, ${sheet.basis}`}`,
    ...one.commands.map((command) => `       ${command}`),
  ])
  return [
    `run sheet for ${sheet.warehouse}, made ${sheet.madeAt}: nothing was done`,
    `target      ${sheet.target}`,
    `from        backup ${sheet.backup} in repository ${sheet.repository}`,
    `commands    ${timeText(sheet)}, ${sheet.basis}; what people need comes on top`,
    '',
    'roles',
    ...people,
    '',
    'steps',
    ...steps,
    '',
    'lost',
    ...sheet.lost.map((line) => `  ${line}`),
    '',
    'to be talked through',
    ...sheet.questions.map((line) => `  ${line}`),
  ].join('\n')
}

export function sheetMarkdown(sheet: RunSheet): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const command = (text: string): string => `\`${cell(text)}\``
  return [
    `# Run sheet: recovery of ${sheet.warehouse}`,
    '',
    `Made ${sheet.madeAt}. Target: ${sheet.target}. From backup \`${sheet.backup}\` in repository ${sheet.repository}.`,
    `The commands take ${timeText(sheet)} (${sheet.basis}); what people need comes on top.`,
    '',
    '| role | who | does |',
    '| --- | --- | --- |',
    ...sheet.roles.map((one) => `| ${one.role} | ${cell(one.person ?? '')} | ${cell(one.does)} |`),
    '',
    '| | role | what | commands | predicted | took |',
    '| --: | --- | --- | --- | --- | --- |',
    ...sheet.steps.map(
      (one, index) =>
        `| ${index + 1} | ${one.role} | ${cell(one.what)} | ${one.commands.map(command).join('<br>')} | ${timeText(one)} | |`,
    ),
    '',
    '## Lost',
    '',
    ...sheet.lost.map((line) => `- ${line}`),
    '',
    '## To be talked through',
    '',
    ...sheet.questions.map((line) => `- ${line}`),
  ].join('\n')
}
