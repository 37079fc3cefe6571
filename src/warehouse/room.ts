// The room of warehouses and their servers.
import { daemons, doctorChecks, offer, provide, type Room } from '../base/room.ts'
import { warehousesSection } from './config.ts'
import { warehouses } from './contract.ts'
import { doctorCheck } from './doctor.ts'
import { managedServers } from './managed-daemon.ts'
import { warehouseAdd } from './operations/add.ts'
import { warehouseCheck } from './operations/check.ts'
import { warehouseGrants } from './operations/grants.ts'
import { warehouseList } from './operations/list.ts'
import { warehouseRemove } from './operations/remove.ts'
import { warehouseShow } from './operations/show.ts'
import { openWarehouses } from './warehouses.ts'

export const room: Room = {
  name: 'warehouse',
  summary: 'talking to PostgreSQL: sessions, replication, facts, servers we start',
  config: [warehousesSection],
  groups: { warehouse: 'the databases to look after: declare, show, check, grant rights' },
  operations: [warehouseAdd, warehouseList, warehouseShow, warehouseRemove, warehouseCheck, warehouseGrants],
  services: [provide(warehouses, openWarehouses)],
  offers: [offer(daemons, managedServers), offer(doctorChecks, doctorCheck)],
}
