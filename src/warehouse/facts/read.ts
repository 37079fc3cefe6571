// Facts from one session.
import { parseLsn } from '../../wal/lsn.ts'
import type { ServerFacts, Session } from '../contract.ts'
import { factExpressions, settingsExpression } from './sql.ts'

interface RawFacts {
  readonly version: number
  readonly systemIdentifier: string
  readonly timeline: number
  readonly dataDirectory: string
  readonly dataChecksums: boolean
  readonly walLevel: ServerFacts['walLevel']
  readonly fullPageWrites: boolean
  readonly inRecovery: boolean
  readonly walSegmentBytes: number
  readonly blockBytes: number
  readonly insertLsn: string
  readonly tablespaces: readonly { oid: number; name: string; location: string }[]
  readonly databases: ServerFacts['databases']
  readonly configFiles: ServerFacts['configFiles']
  readonly settings: Readonly<Record<string, string>>
}

/** One statement, so that the facts belong together. */
export async function readFacts(session: Session): Promise<ServerFacts> {
  const pairs = Object.entries({ ...factExpressions, settings: settingsExpression })
  const columns = pairs.map(([name, expression]) => `'${name}', ${expression}`)
  const [row] = await session.query<{ facts: RawFacts }>(`select json_build_object(${columns.join(',\n')}) as facts`)
  const raw = row!.facts
  return {
    ...raw,
    majorVersion: Math.floor(raw.version / 10_000),
    systemIdentifier: BigInt(raw.systemIdentifier),
    insertLsn: parseLsn(raw.insertLsn),
    // In-place tablespaces have a path relative to the data directory.
    tablespaces: raw.tablespaces.map((one) => ({ ...one, inPlace: !one.location.startsWith('/') })),
    bytes: raw.databases.reduce((sum, one) => sum + one.bytes, 0),
  }
}
