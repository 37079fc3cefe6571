import { z } from 'zod'

import { suggestion } from '../../base/nearest.ts'
import { readConfigFile, removeEntry, writeConfigFile } from '../../base/config-edit.ts'
import { defineOperation } from '../../base/operation.ts'
import { warehouses } from '../contract.ts'
import { otherUse } from '../edit-config.ts'
import { warehouseErrors } from '../errors.ts'

export const warehouseRemove = defineOperation({
  name: 'warehouse remove',
  summary: 'take a warehouse out of wharf.yaml',
  description:
    'Its server, its data and its backups stay as they are. A replication slot that wharf made stays too: drop it on the server.',
  input: z.strictObject({ name: z.string().describe('Name of the warehouse.') }),
  positional: ['name'],
  output: z.strictObject({ name: z.string(), file: z.string() }),
  role: 'admin',
  danger: 'writes',
  errors: ['warehouse.unknown', 'warehouse.in-use', 'config.not-editable'],
  needs: 'nothing',
  where: 'here',
  run: async ({ name }, context) => {
    const file = context.configFile
    const document = await readConfigFile(file)
    if (!document.hasIn(['warehouses', name])) {
      const known = (await context.use(warehouses)).list().map((one) => one.name)
      throw warehouseErrors.unknown({ name, suggestion: suggestion(name, known) })
    }
    const path = otherUse(document, name)
    if (path !== undefined) throw warehouseErrors.inUse({ name, path })
    removeEntry(document, ['warehouses', name])
    await writeConfigFile(file, document)
    return { name, file }
  },
  text: ({ name, file }) => `warehouse "${name}" is no longer declared in ${file}`,
})
