// Where blocks are healed: under a running server, or in the directory of one that was shut down.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { codeOf, messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import type { ControlData } from '../../wal/contract.ts'
import { warehouses, type ServerFacts, type Warehouse } from '../../warehouse/contract.ts'
import { serverRuns } from '../../warehouse/servers.ts'
import { blockErrors as errors } from './errors.ts'

export type HealPlace =
  | {
      readonly kind: 'online'
      readonly warehouse: Warehouse
      readonly facts: ServerFacts
      readonly dataDirectory: string
      readonly control: ControlData
    }
  | { readonly kind: 'stopped'; readonly dataDirectory: string; readonly control: ControlData }

/** Rejects where the directory is not here, not of that cluster, in use, or was not shut down. */
export async function openPlace(
  of: {
    readonly warehouse: string
    readonly dataDirectory?: string | undefined
    readonly systemIdentifier: bigint
  },
  context: Context,
  signal: AbortSignal,
): Promise<HealPlace> {
  if (of.dataDirectory !== undefined) return await stoppedPlace({ ...of, dataDirectory: of.dataDirectory })
  const warehouse = (await context.use(warehouses)).get(of.warehouse)
  const facts = await warehouse.facts(signal)
  const { dataDirectory } = facts
  const control = await controlOf(dataDirectory)
  if (control.systemIdentifier !== facts.systemIdentifier)
    throw errors.blockNotHere({ folder: dataDirectory, why: 'the directory of that name here is of another cluster' })
  if (!(await serverRuns(dataDirectory)))
    throw errors.blockNotHere({ folder: dataDirectory, why: 'no server runs on it on this host' })
  if (facts.inRecovery)
    throw errors.blockNotHere({ folder: dataDirectory, why: 'it is a standby, which takes no locks' })
  refuseOther(control, { ...of, dataDirectory })
  return { kind: 'online', warehouse, facts, dataDirectory, control }
}

async function stoppedPlace(of: { dataDirectory: string; systemIdentifier: bigint }): Promise<HealPlace> {
  const { dataDirectory } = of
  const control = await controlOf(dataDirectory)
  refuseOther(control, of)
  if (await serverRuns(dataDirectory)) throw errors.blockServerRuns(dataDirectory)
  if (control.state !== 'shut down') throw errors.blockNotShutDown({ folder: dataDirectory, state: control.state })
  return { kind: 'stopped', dataDirectory, control }
}

function refuseOther(control: ControlData, of: { dataDirectory: string; systemIdentifier: bigint }): void {
  if (control.systemIdentifier === of.systemIdentifier) return
  throw errors.blockOtherCluster({
    folder: of.dataDirectory,
    found: control.systemIdentifier.toString(),
    wanted: of.systemIdentifier.toString(),
  })
}

async function controlOf(dataDirectory: string): Promise<ControlData> {
  try {
    const control = parseControlFile(await readFile(join(dataDirectory, 'global/pg_control')))
    if (control.crcIsGood) return control
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'global/pg_control is not there' : messageOf(error)
    throw errors.blockNotHere({ folder: dataDirectory, why }, { cause: error })
  }
  throw errors.blockNotHere({ folder: dataDirectory, why: 'global/pg_control is damaged' })
}
