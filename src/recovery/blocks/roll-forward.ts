// Good pages: the relations that the blocks are of, restored into a sandbox and replayed to the end of WAL.
import type { Context } from '../../base/room.ts'
import type { Manifest } from '../../repository/contract.ts'
import type { RelationFile } from '../../wal/contract.ts'
import type { Lsn } from '../../wal/lsn.ts'
import type { RepositoryChoice } from '../restore/open-repository.ts'
import { newSandboxFolder, leaveSandboxFolder } from '../sandbox/home.ts'
import { openSandbox, type SandboxTime, type SandboxTools } from '../sandbox/sandbox.ts'
import { readBlock } from './bad-page.ts'
import { keyOf, type WantedBlock } from './wanted.ts'

export interface RolledForward {
  /** Every record that ends up to here is in the pages. */
  readonly toLsn: Lsn
  readonly timeline: number
  /** By keyOf(); a block that is not there is missing. */
  readonly pages: ReadonlyMap<string, Buffer>
  readonly times: readonly SandboxTime[]
}

export async function rollForward(
  of: {
    readonly choice: RepositoryChoice
    readonly manifest: Manifest
    readonly timeline: number
    readonly blocks: readonly WantedBlock[]
    readonly binaries: string | undefined
    readonly owner: string | undefined
    readonly under: string | undefined
  },
  context: Context,
  tools: SandboxTools,
): Promise<RolledForward> {
  const folder = await newSandboxFolder(context, of.under)
  await using scope = new AsyncDisposableStack()
  scope.defer(() => leaveSandboxFolder(folder))
  const wanted = new Set(of.blocks.map((one) => fileKey(one.file)))
  const sandbox = scope.use(
    await openSandbox(
      {
        ...of.choice,
        folder,
        latest: true,
        backup: of.manifest.id,
        timeline: of.timeline,
        binaries: of.binaries,
        owner: of.owner,
        wanted: (relation) => wanted.has(fileKey(relation.file)),
        databases: new Set(of.blocks.map((one) => one.file.database)),
        // Blocks that were bad at the source and are wanted were ruled out; others stay what they are.
        allowCorrupt: true,
      },
      context,
      tools,
    ),
  )
  {
    await using session = await sandbox.connect('template1')
    await session.query('checkpoint')
  }
  const pages = new Map<string, Buffer>()
  for (const one of of.blocks) {
    const page = await readBlock(sandbox.folder, one)
    if (page) pages.set(keyOf(one), page)
  }
  const { reach } = sandbox.resolved
  return { toLsn: reach.endLsn, timeline: reach.timeline, pages, times: sandbox.times }
}

function fileKey({ tablespace, database, relfilenode }: RelationFile): string {
  return `${tablespace}/${database}/${relfilenode}`
}
