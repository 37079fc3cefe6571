// The room of warehouses and their servers.
import { daemons, offer, provide, type Room } from '../base/room.ts'
import { warehousesSection } from './config.ts'
import { warehouses } from './contract.ts'
import { managedServers } from './managed-daemon.ts'
import { openWarehouses } from './warehouses.ts'

export const room: Room = {
  name: 'warehouse',
  summary: 'talking to PostgreSQL: sessions, replication, facts, servers we start',
  config: [warehousesSection],
  services: [provide(warehouses, openWarehouses)],
  offers: [offer(daemons, managedServers)],
}
