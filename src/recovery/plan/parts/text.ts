// The plan of a part for people.
import { formatSize } from '../../../base/units.ts'
import { lossLines } from '../loss-text.ts'
import { spanText } from '../span-text.ts'
import type { PartPlan } from './plan.ts'

const names = { table: 'tables', database: 'database', block: 'blocks', loads: 'kept loads' } as const

export function partPlanText(plan: PartPlan): string {
  const { size, target, backup } = plan
  return [
    `recovery of ${names[plan.way]} of ${plan.warehouse} from repository ${plan.repository}${plan.what.length > 0 ? `: ${plan.what.join(', ')}` : ''}`,
    `  target      ${target.asked}${target.localZone ? ` (read in this machine's zone, ${target.localZone})` : ''}`,
    `              ${target.resolved}, timeline ${target.timeline}`,
    `  backup      ${backup.id} (${backup.kind}, ended ${backup.finishedAt} at ${backup.stopLsn})`,
    ...(plan.because === undefined ? [] : [`  compared    ${plan.because}`]),
    ...(size.files === 0
      ? []
      : [
          `  reads       ${formatSize(size.wantedBytes)} of what is wanted, ${formatSize(size.catalogBytes)} of catalogs and the like, ${formatSize(size.walBytes)} of WAL`,
        ]),
    ...plan.space.map(
      (one) =>
        `  space       up to ${formatSize(one.neededBytes)} for the sandbox, ${formatSize(one.freeBytes)} free for ${one.folders.join(', ')}`,
    ),
    ...(plan.steps.length === 0 ? [] : ['  steps']),
    ...plan.steps.map((one) => `    ${one.what}${one.bytes > 0 ? `, ${formatSize(one.bytes)}` : ''}: ${spanText(one)}`),
    ...(plan.steps.length === 0 ? [] : [`    together: ${spanText(plan.time)}`]),
    '  on the live server',
    ...plan.live.map((line) => `    ${line}`),
    '  not in it',
    ...lossLines(plan.lost, 'nothing is missing: it is the newest that the repository holds').map(
      (line) => `    ${line}`,
    ),
    ...plan.notes.map((note) => `  note        ${note}`),
  ].join('\n')
}
