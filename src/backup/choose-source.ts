// From the policy of a warehouse to the server and the driver that its files are read from.
import type { Context } from '../base/room.ts'
import type { Warehouse } from '../warehouse/contract.ts'
import { backupErrors } from './errors.ts'
import type { TakeOptions } from './engine/options.ts'
import { fullSource, type SourcePolicy } from './source-config.ts'
import { diskFiles } from './source/disk.ts'
import { sqlFiles } from './source/sql.ts'
import { StorageSnapshot } from './snapshot/snapshot.ts'

export function chooseSource(
  policy: SourcePolicy,
  tools: {
    warehouse: Warehouse
    context: Pick<Context, 'clock' | 'log' | 'home' | 'environment'>
    signal: AbortSignal
  },
): Pick<TakeOptions, 'files' | 'source' | 'standby'> & { readonly snapshot?: StorageSnapshot } {
  const source = fullSource(policy)
  const { warehouse: primary, signal, context } = tools
  if (source.from === 'primary') return readFrom(primary, source.read, { clock: context.clock, signal })
  if (source.from === 'snapshot') {
    const { timeout, ...more } = source
    const { variables: inherited } = context.environment
    const snapshot = new StorageSnapshot(
      { ...more, timeoutMs: timeout },
      { ...context, inherited, warehouse: primary, signal },
    )
    return { source: 'disk', snapshot, files: (directory, scope) => snapshot.files(directory, scope) }
  }
  const server = primary.standby
  if (server === undefined) throw backupErrors.noStandby({ warehouse: primary.declaration.name })
  const standby = { server, waitMs: source.wait }
  return { standby, ...readFrom(server, source.read, { clock: context.clock, signal }) }
}

function readFrom(
  warehouse: Warehouse,
  read: 'disk' | 'sql',
  tools: Pick<TakeOptions, 'clock' | 'signal'>,
): Pick<TakeOptions, 'files' | 'source'> {
  if (read === 'disk') return { files: diskFiles, source: 'disk' }
  return {
    source: 'sql',
    files: (dataDirectory, scope) => sqlFiles({ warehouse, dataDirectory, ...tools }, scope),
  }
}
