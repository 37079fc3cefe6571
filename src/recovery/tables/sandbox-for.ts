// A sandbox in which the wanted tables, as their names resolve at the target, are whole.
import type { Context } from '../../base/room.ts'
import type { Manifest } from '../../repository/contract.ts'
import { askedText } from '../plan/plan.ts'
import { leaveSandboxFolder, newSandboxFolder } from '../sandbox/home.ts'
import { foundOnce } from '../sandbox/prepare.ts'
import {
  openSandbox,
  type Sandbox,
  type SandboxRequest,
  type SandboxTime,
  type SandboxTools,
} from '../sandbox/sandbox.ts'
import type { PrivateSession } from '../server/connect.ts'
import { keyOfPath } from '../server/scratch.ts'
import { tableErrors as errors } from '../table-errors.ts'
import { filesOf, findTables, wantedByName, type FoundTable } from './find.ts'
import type { TableName } from './names.ts'
import { prepareReading } from './read-definition.ts'

export interface TablesWanted extends Omit<SandboxRequest, 'folder' | 'wanted' | 'databases' | 'open'> {
  readonly database: string
  readonly names: readonly TableName[]
  /** Names of relations that probably belong to them, such as partitions that are there today: saves a second sandbox. */
  readonly hints: readonly TableName[]
  /** Folder below which the sandbox is made; default: the home's. */
  readonly sandboxes?: string | undefined
}

export interface TablesSandbox extends AsyncDisposable {
  readonly sandbox: Sandbox
  readonly tables: readonly FoundTable[]
  /** Of all sandboxes that it took. */
  readonly times: readonly SandboxTime[]
  readonly fetchedBytes: number
  /** A session that reads definitions and rows. */
  open(): Promise<PrivateSession>
}

/** Of how many relations the choice may turn out to have been too narrow, one after the other: a rename, then a swap of a partition, … */
const MOST_ROUNDS = 4

/** What the choice was made by, and what a sandbox has shown that it lacked. */
export async function openTablesSandbox(
  wish: TablesWanted,
  context: Context,
  tools: SandboxTools,
): Promise<TablesSandbox> {
  const more = new Set<string>()
  let everything = false
  let called = wish.database
  const times: SandboxTime[] = []
  let fetchedBytes = 0
  await using reading = new AsyncDisposableStack()
  const found = await foundOnce(reading, wish, { context, signal: tools.signal })
  for (let round = 1; ; round++) {
    const folder = await newSandboxFolder(context, wish.sandboxes)
    await using scope = new AsyncDisposableStack()
    scope.defer(() => leaveSandboxFolder(folder))
    let databases: ReadonlySet<number> | undefined
    const sandbox = scope.use(
      await openSandbox(
        {
          ...wish,
          found,
          folder,
          open: false,
          choose: (manifest: Manifest) => {
            const known = oidsOf(manifest, called)
            // A database that the backup does not know was made later, and nobody can tell from what.
            databases = known.size === 0 || everything ? undefined : known
            if (databases === undefined) return { wanted: () => true }
            const byName = wantedByName(manifest, called, [...wish.names, ...wish.hints])
            return {
              databases,
              wanted: (one) => more.has(`${one.databaseOid}/${one.file.relfilenode}`) || byName(one),
            }
          },
        },
        context,
        tools,
      ),
    )
    times.push(...sandbox.times)
    fetchedBytes += sandbox.fetchedBytes
    const oid = await oidAtTarget(sandbox, wish)
    if (databases?.has(oid) === false) {
      // The name was another database's: of the one that bears it now its catalogs are needed, and what it was copied from, if it is new.
      called = sandbox.manifest.relations.find((one) => one.databaseOid === oid)?.database ?? called
      everything = round === MOST_ROUNDS || !oidsOf(sandbox.manifest, called).has(oid)
      tools.report({
        phase: 'starting over',
        note: 'the database had another name, or was not there yet, when the backup was made',
      })
      continue
    }
    const look = await lookInto(sandbox, wish)
    const lacking = look.files.filter((one) => sandbox.leftOut(look.databaseOid, one.filenode))
    if (lacking.length === 0) {
      const open = scope.move()
      return {
        sandbox,
        tables: look.tables,
        times,
        fetchedBytes,
        open: () => sessionOf(sandbox, wish),
        [Symbol.asyncDispose]: () => open.disposeAsync(),
      }
    }
    refuseScratch(sandbox.manifest, { ...look, lacking })
    if (round === MOST_ROUNDS) everything = true
    for (const one of lacking) more.add(`${look.databaseOid}/${one.filenode}`)
    tools.report({
      phase: 'starting over',
      note: `${lacking.length} files of the tables had other names when the backup was made`,
    })
  }
}

function oidsOf(manifest: Pick<Manifest, 'relations'>, database: string): ReadonlySet<number> {
  return new Set(manifest.relations.filter((one) => one.database === database).map((one) => one.databaseOid))
}

/** Asked where everybody can connect: the database itself may not be there. */
async function oidAtTarget(sandbox: Sandbox, { database }: Pick<TablesWanted, 'database'>): Promise<number> {
  await using session = await sandbox.connect('template1')
  const { rows } = await session.query<{ oid: string }>(
    'select oid::int8::text as oid from pg_catalog.pg_database where datname = $1',
    [database],
  )
  if (rows.length === 0) throw errors.unknownDatabase({ database, target: askedText(sandbox.resolved) })
  return Number(rows[0]!.oid)
}

async function sessionOf(sandbox: Sandbox, wish: Pick<TablesWanted, 'database'>): Promise<PrivateSession> {
  const session = await sandbox.connect(wish.database)
  await prepareReading(session)
  return session
}

interface Look {
  readonly databaseOid: number
  readonly tables: readonly FoundTable[]
  readonly files: Awaited<ReturnType<typeof filesOf>>
}

async function lookInto(sandbox: Sandbox, wish: TablesWanted): Promise<Look> {
  await using session = await sessionOf(sandbox, wish)
  const { rows } = await session.query<{ oid: string }>(
    'select oid::int8::text as oid from pg_catalog.pg_database where datname = pg_catalog.current_database()',
  )
  const at = { target: askedText(sandbox.resolved), database: wish.database }
  const tables = await findTables(session, wish.names, at)
  return { databaseOid: Number(rows[0]!.oid), tables, files: await filesOf(session, tables) }
}

/** What no backup holds cannot be widened to. */
function refuseScratch(manifest: Manifest, look: Look & { lacking: Look['files'] }): void {
  const scratch = new Set(manifest.scratch.map((one) => keyOfPath(one.path)?.split('/').slice(1).join('/')))
  const lost = look.lacking.filter((one) => scratch.has(`${look.databaseOid}/${one.filenode}`))
  if (lost.length > 0)
    throw errors.leftOutByTier({ tables: [...new Set(lost.map((one) => one.name))], backup: manifest.id })
}
