// The plan of `recover block`: good pages in a sandbox at the end of WAL.
import type { Context } from '../../../base/room.ts'
import type { Manifest } from '../../../repository/contract.ts'
import { partErrors as errors } from '../../part-errors.ts'
import { parseTableName, shownName, type TableName } from '../../tables/names.ts'
import { findPartPlan, type PartRequest, type PartWish } from './find.ts'
import type { PartPlan } from './plan.ts'

export interface BlockPlanRequest extends PartRequest {
  /** `schema.relation` or `schema.relation:7,12`. */
  readonly blocks: readonly string[]
  readonly database?: string | undefined
}

export async function planBlocks(request: BlockPlanRequest, context: Context, signal: AbortSignal): Promise<PartPlan> {
  const { at: _at, lsn: _lsn, name: _name, xid: _xid, beforeLoad: _load, ...rest } = request
  return await findPartPlan({ ...rest, latest: true }, (manifest) => blockWish(request, manifest), { context, signal })
}

function blockWish({ blocks, database }: BlockPlanRequest, manifest: Manifest): PartWish {
  const texts = blocks.map((text) => text.replace(/:[\d,\s-]*$/, ''))
  const names = texts.map(parseTableName)
  const matches = (name: TableName) =>
    manifest.relations.filter(
      (one) =>
        one.file.database !== 0 &&
        one.name === name.name &&
        (name.schema === undefined || name.schema === one.schema) &&
        (database === undefined || database === one.database),
    )
  const found = names.map((name, index) => {
    const relations = matches(name)
    if (relations.length === 0) throw errors.noRelationInBackup({ relation: texts[index]!, backup: manifest.id })
    return relations
  })
  const wanted = new Set(found.flat().map((one) => `${one.databaseOid}/${one.oid}`))
  return {
    way: 'block',
    what: blocks,
    live: found.flat().map((one) => {
      const name = `${one.database}.${shownName(one)}`
      return `the table of ${name} is locked while bad blocks are compared and written; each bad page is kept in a file; asks first`
    }),
    notes: ['of several backups the newest whose images of the blocks are whole is taken: that may be an older one'],
    after: () => [],
    wanted: (one) => wanted.has(`${one.databaseOid}/${one.oid}`),
    databases: new Set(found.flat().map((one) => one.databaseOid)),
  }
}
