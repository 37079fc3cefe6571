// A Warehouse of the product for a test server.
import { systemClock } from '../../src/base/clock.ts'
import type { Warehouse } from '../../src/warehouse/contract.ts'
import { warehousesSection } from '../../src/warehouse/config.ts'
import { warehousesOf } from '../../src/warehouse/warehouses.ts'

/** `entry` as in wharf.yaml, e.g. `{ url: server.url }`. */
export function warehouseFor(entry: Readonly<Record<string, unknown>>, name = 'retail'): Warehouse {
  const tools = { clock: systemClock, home: '/nonexistent', configFile: '/nonexistent/wharf.yaml' }
  return warehousesOf(warehousesSection.schema.parse({ [name]: entry }), tools).get(name)
}
