// From the policy of a warehouse to the driver that reads its files.
import type { Context } from '../base/room.ts'
import type { Warehouse } from '../warehouse/contract.ts'
import type { TakeOptions } from './engine/take.ts'
import type { SourcePolicy } from './source-config.ts'
import { diskFiles } from './source/disk.ts'
import { sqlFiles } from './source/sql.ts'

export function chooseSource(
  policy: SourcePolicy,
  tools: { warehouse: Warehouse; context: Pick<Context, 'clock'>; signal: AbortSignal },
): Pick<TakeOptions, 'files' | 'source'> {
  if (policy === 'disk') return { files: diskFiles, source: 'disk' }
  const { warehouse, signal } = tools
  return {
    source: 'sql',
    files: (dataDirectory, scope) => sqlFiles({ warehouse, dataDirectory, clock: tools.context.clock, signal }, scope),
  }
}
