// All rooms, in the order of their floors: operations are listed and migrations applied in this order.
import type { Room } from '../base/room.ts'
import { room as assurance } from '../assurance/room.ts'
import { room as backup } from '../backup/room.ts'
import { room as cli } from '../cli/room.ts'
import { room as console } from '../console/room.ts'
import { room as control } from '../control/room.ts'
import { room as loads } from '../loads/room.ts'
import { room as monitor } from '../monitor/room.ts'
import { room as recovery } from '../recovery/room.ts'
import { room as repository } from '../repository/room.ts'
import { room as runs } from '../runs/room.ts'
import { room as server } from '../server/room.ts'
import { room as warehouse } from '../warehouse/room.ts'
import { room as app } from './room.ts'

export const rooms: readonly Room[] = [
  warehouse,
  repository,
  control,
  runs,
  monitor,
  backup,
  recovery,
  loads,
  assurance,
  server,
  console,
  cli,
  app,
]
