// Large objects, piece by piece. They have been made, with owners and rights, by the dump's first section.
import type { Session } from '../../warehouse/contract.ts'
import { MIB } from '../../base/units.ts'
import type { PrivateSession } from '../server/connect.ts'

export async function copyLargeObjects(
  oids: readonly string[],
  of: { source: PrivateSession; target: Session; signal: AbortSignal; progress: (done: number) => void },
): Promise<number> {
  let bytes = 0
  for (const [index, oid] of oids.entries()) {
    for (let offset = 0; ; offset += MIB) {
      of.signal.throwIfAborted()
      const { rows } = await of.source.query<{ piece: Buffer }>('select pg_catalog.lo_get($1, $2, $3) as piece', [
        oid,
        offset,
        MIB,
      ])
      const { piece } = rows[0]!
      if (piece.length > 0) await of.target.query('select pg_catalog.lo_put($1, $2, $3)', [oid, offset, piece])
      bytes += piece.length
      if (piece.length < MIB) break
    }
    of.progress(index + 1)
  }
  return bytes
}
