// The service: warehouses by name, and sessions with them.
import { existsSync } from 'node:fs'

import { codeOf } from '../base/errors.ts'
import type { Context } from '../base/room.ts'
import { suggestion } from '../base/nearest.ts'
import { warehousesSection, type WarehouseEntry } from './config.ts'
import type { ConnectionTarget } from './connection.ts'
import type {
  ReplicationSession,
  ServerFacts,
  Session,
  Warehouse,
  WarehouseDeclaration,
  WarehouseSeed,
  Warehouses,
} from './contract.ts'
import { declarationOf, managedLayout, targetOf } from './declared.ts'
import { warehouseErrors } from './errors.ts'
import { readFacts } from './facts/read.ts'
import { openReplication } from './replication/replication.ts'
import { inspectPostmaster } from './server/postmaster.ts'
import { openSession } from './session/session.ts'
import { seedOf } from './workers.ts'

type Tools = Pick<Context, 'clock' | 'home' | 'configFile'>

/** Built from the section `warehouses`. */
export function openWarehouses(context: Context): Warehouses {
  return warehousesOf(context.section(warehousesSection), context)
}

export function warehousesOf(entries: Readonly<Record<string, WarehouseEntry>>, tools: Tools): Warehouses {
  const known = new Map(
    Object.entries(entries).map(([name, entry]) => [name, new DeclaredWarehouse(name, entry, tools)]),
  )
  return {
    list: () => [...known.values()].map((one) => one.declaration),
    get: (name) => {
      const found = known.get(name)
      if (found) return found
      if (known.size === 0) throw warehouseErrors.noneDeclared({})
      throw warehouseErrors.unknown({ name, suggestion: suggestion(name, [...known.keys()]) })
    },
  }
}

class DeclaredWarehouse implements Warehouse {
  private readonly name: string
  private readonly entry: WarehouseEntry
  private readonly tools: Tools

  constructor(name: string, entry: WarehouseEntry, tools: Tools) {
    this.name = name
    this.entry = entry
    this.tools = tools
  }

  get declaration(): WarehouseDeclaration {
    return declarationOf(this.name, this.entry, this.tools)
  }

  get standby(): Warehouse | undefined {
    const { standby, ...primary } = this.entry
    if (standby === undefined) return undefined
    // With a URL nothing else of the entry says where; its password holds for both.
    return new DeclaredWarehouse(this.name, { ...primary, url: standby, managed: false }, this.tools)
  }

  /** Where the server is now. A managed one is asked of its own data directory: its old port may be somebody else's by now. */
  private async target(): Promise<ConnectionTarget> {
    const target = targetOf(this.name, this.entry, this.tools)
    if (!this.entry.managed) return target
    const { dataDirectory, portFile } = managedLayout(this.tools.home, this.name)
    const found = await inspectPostmaster(dataDirectory).catch((error: unknown) => {
      // Another user's: then the port file has to do.
      if (codeOf(error) === 'EACCES' && existsSync(portFile)) return undefined
      throw error
    })
    if (found === undefined) return target
    if (found.state !== 'running' || found.file.port === undefined)
      throw warehouseErrors.managedNotRunning({ name: this.name })
    return { ...target, port: found.file.port }
  }

  async connect(options: {
    purpose: string
    database?: string
    signal: AbortSignal
    statementTimeoutMs?: number
    lockTimeoutMs?: number
  }): Promise<Session> {
    return await openSession(await this.target(), options, this.tools.clock)
  }

  async connectReplication(options: {
    purpose: string
    applicationName?: string | undefined
    signal: AbortSignal
  }): Promise<ReplicationSession> {
    return await openReplication(await this.target(), options, this.tools.clock)
  }

  async facts(signal: AbortSignal): Promise<ServerFacts> {
    await using session = await this.connect({ purpose: 'facts', signal, statementTimeoutMs: 30_000 })
    return await readFacts(session)
  }

  async seed(): Promise<WarehouseSeed> {
    return seedOf(await this.target())
  }
}
