// Whether the objects of a copy are whole: the head against its tables, and with depth `all` every row's byte.
import type { CheckTools } from '../check/findings.ts'
import { damaged, readDirectory } from '../object/decode.ts'
import { readHead } from './head.ts'
import { copyTableName, parseCopyName } from './names.ts'
import { StoredCopies } from './store.ts'

export async function checkCopyObject(name: string, tools: CheckTools): Promise<void> {
  const parsed = parseCopyName(name)
  if (!parsed) throw damaged(name, 'its name is not one of a copy')
  const info = await tools.store.stat(name, tools)
  // A copy is removed while we look: its head goes first.
  if (!info) return
  if (parsed.table !== undefined) {
    await readDirectory(name, 'copy', { ...tools, objectBytes: info.bytes })
    return
  }
  const copy = await readHead(name, tools)
  const copies = new StoredCopies(tools)
  for (const [index, table] of copy.tables.entries()) {
    const object = copyTableName(copy.warehouse, copy.id, index)
    if (!(await tools.store.stat(object, tools)))
      throw damaged(name, `its table ${table.schema}.${table.name} (${object}) is missing`)
    if (tools.levelOf(name) === 'all') for await (const piece of copies.read(copy, table, tools.signal)) void piece
  }
}
