import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { warehouses } from '../contract.ts'

export const declarationSchema = z.strictObject({
  name: z.string(),
  url: z.string(),
  repositories: z.array(z.string()),
  managed: z.boolean(),
})

export const warehouseList = defineOperation({
  name: 'warehouse list',
  summary: 'list the warehouses of wharf.yaml',
  input: z.strictObject({}),
  output: z.strictObject({ warehouses: z.array(declarationSchema) }),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'configuration',
  where: 'here',
  run: async (_input, context) => {
    const list = (await context.use(warehouses)).list()
    return { warehouses: list.map((one) => ({ ...one, repositories: [...one.repositories] })) }
  },
  text: ({ warehouses: list }) => {
    if (list.length === 0) return 'no warehouse is declared; declare one: wharf warehouse add NAME URL'
    const rows = list.map((one) => [
      one.name,
      one.url,
      one.repositories.join(', ') || '-',
      one.managed ? 'by wharf' : '',
    ])
    return formatTable(['warehouse', 'url', 'repositories', 'run'], rows)
  },
})
