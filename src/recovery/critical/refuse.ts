// What makes "critical first" impossible or senseless: said before anything is done.
import type { Manifest } from '../../repository/contract.ts'
import { recoveryErrors } from '../errors.ts'
import { libraryNames } from '../restore/settings.ts'
import type { CriticalPart } from './choice.ts'
import { criticalErrors as errors } from './errors.ts'

/**
 * Libraries that change what a query answers: rows that lie on other nodes, masks, labels. A sandbox loads none, so its readers would be told something
 * else than by the warehouse, or more.
 */
const answering: ReadonlySet<string> = new Set(['citus', 'anon', 'sepgsql', 'pg_anonymize'])

export function refuseCriticalFirst(
  manifest: Pick<Manifest, 'id' | 'settings'>,
  part: CriticalPart | undefined,
  options: { readonly warehouse: string; readonly start: boolean },
): asserts part is CriticalPart {
  if (!options.start) throw errors.criticalNeedsStart(undefined)
  const at = { backup: manifest.id, warehouse: options.warehouse }
  if (!part) throw errors.noCritical(at)
  if (!part.isPart) throw errors.allCritical(at)
  const preload = ['shared_preload_libraries', 'session_preload_libraries'].flatMap((name) =>
    libraryNames(manifest.settings[name] ?? ''),
  )
  const libraries = [...new Set(preload.filter((name) => answering.has(name)))]
  if (libraries.length > 0) throw errors.criticalHooks({ libraries })
}

/** What only says where readers are let in to says nothing where nobody is. */
export function refuseAlone(options: {
  readonly criticalFirst?: boolean | undefined
  readonly criticalPort?: number | undefined
  readonly criticalDirectory?: string | undefined
}): void {
  if (options.criticalFirst) return
  if (options.criticalPort !== undefined) throw errors.criticalOption('--critical-port')
  if (options.criticalDirectory !== undefined) throw errors.criticalOption('--critical-directory')
}

/** `port`: where the recovered server will listen, where that is known beforehand. Readers would hold it until that one cannot start. */
export function refusePorts(criticalPort: number | undefined, port: number | undefined): void {
  if (criticalPort === undefined || criticalPort !== port) return
  const why = 'the recovered server itself listens there at the end: choose another one'
  throw recoveryErrors.badOption({ option: '--critical-port', text: String(port), why })
}
