// A backup out of a storage snapshot: the user's programs take it, mount it and release it. It is taken while the server is in backup mode, so that WAL from
// start to stop makes one moment of whatever the snapshot caught, also where its volumes were not caught at once.
import { stat } from 'node:fs/promises'

import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { systemRandom } from '../../base/random.ts'
import type { Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import type { ClusterFiles } from '../source/cluster-files.ts'
import { snapshotFiles } from '../source/disk.ts'
import { runCommand, type SnapshotCommand } from './command.ts'
import { abandonMark, leftovers, putMark, removeMark, type SnapshotMark } from './mark.ts'

export interface SnapshotPolicy {
  readonly snapshot: readonly string[]
  readonly mount?: readonly string[] | undefined
  readonly release: readonly string[]
  readonly path: string
  /** Location of a tablespace at the server → where it is found in the snapshot. */
  readonly tablespaces: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export interface SnapshotTools {
  readonly warehouse: Warehouse
  readonly home: string
  readonly inherited: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

/** What the engine needs of a snapshot: it is taken between start and stop, and mounted before the first file is read. */
export interface SnapshotSource {
  take(signal: AbortSignal): Promise<void>
  mount(signal: AbortSignal): Promise<void>
}

export class StorageSnapshot implements SnapshotSource {
  /** What an operator should know. */
  readonly notes: string[] = []
  private readonly policy: SnapshotPolicy
  private readonly tools: SnapshotTools
  private readonly id = `wharf-${systemRandom.bytes(6).toString('hex')}`
  private dataDirectory = ''

  constructor(policy: SnapshotPolicy, tools: SnapshotTools) {
    this.policy = policy
    this.tools = tools
  }

  /** Before the server is told of a backup. Releases what an earlier one has left, and refuses what could not be read. */
  async files(dataDirectory: string, scope: AsyncDisposableStack): Promise<ClusterFiles> {
    const { warehouse, signal } = this.tools
    const { name } = warehouse.declaration
    this.dataDirectory = dataDirectory
    this.notes.push(...(await releaseLeftovers(this.tools, name)))
    const places = new Map<number, string>()
    for (const { oid, name: space, location, inPlace } of (await warehouse.facts(signal)).tablespaces) {
      if (inPlace) continue
      const place = this.policy.tablespaces[location]
      if (place === undefined) throw backupErrors.snapshotTablespace({ warehouse: name, tablespace: space, location })
      places.set(oid, this.fill(place))
    }
    if (places.size > 0) {
      this.notes.push(
        'data directory and tablespaces are read from snapshots of several places, which need not be of one moment: WAL between start and stop of the backup makes one of them',
      )
    }
    scope.defer(() => this.release())
    return snapshotFiles(this.fill(this.policy.path), places)
  }

  async take(signal: AbortSignal): Promise<void> {
    const { warehouse, home } = this.tools
    const release = this.command('release')
    await putMark(home, {
      id: this.id,
      warehouse: warehouse.declaration.name,
      release: [...release.argv],
      variables: release.variables,
      timeoutMs: release.timeoutMs,
    })
    await this.run('snapshot', signal)
  }

  async mount(signal: AbortSignal): Promise<void> {
    if (this.policy.mount) await this.run('mount', signal)
    await this.refuseLive()
  }

  /** A snapshot that is the live directory, or a live tablespace, would be read while it changes, and long after the backup has ended. */
  private async refuseLive(): Promise<void> {
    await this.refuseSame(this.dataDirectory, this.fill(this.policy.path), 'data directory')
    for (const [location, place] of Object.entries(this.policy.tablespaces))
      await this.refuseSame(location, this.fill(place), 'tablespace')
  }

  /** By device and inode: a bind mount has a path of its own. Where the server's own is not on this host nothing can be compared, nor be the same. */
  private async refuseSame(live: string, path: string, what: 'data directory' | 'tablespace'): Promise<void> {
    const [one, other] = await Promise.all([stat(live).catch(() => undefined), stat(path).catch(() => undefined)])
    if (one === undefined || other === undefined || one.dev !== other.dev || one.ino !== other.ino) return
    throw backupErrors.snapshotIsLive({ warehouse: this.tools.warehouse.declaration.name, path, live: what })
  }

  /** Never rejects: a backup that is complete stays so. What could not be released is tried again by the next one. */
  private async release(): Promise<void> {
    const mark = (await leftoversOfOurs(this.tools.home, this.id))[0]
    if (mark === undefined) return
    const trouble = await releaseOne(mark, this.tools)
    if (trouble !== undefined) this.notes.push(trouble)
  }

  private async run(what: 'snapshot' | 'mount', signal: AbortSignal): Promise<void> {
    await runCommand(this.command(what), { inherited: this.tools.inherited, signal })
  }

  private command(what: SnapshotCommand['what']): SnapshotCommand {
    const warehouse = this.tools.warehouse.declaration.name
    const variables = {
      WHARF_SNAPSHOT: this.id,
      WHARF_WAREHOUSE: warehouse,
      WHARF_DATA_DIRECTORY: this.dataDirectory,
      WHARF_SNAPSHOT_PATH: this.fill(this.policy.path),
    }
    const argv = (this.policy[what] ?? []).map((part) => this.fill(part))
    return { what, warehouse, argv, variables, timeoutMs: this.policy.timeoutMs }
  }

  private fill(text: string): string {
    return text
      .replaceAll('{id}', this.id)
      .replaceAll('{warehouse}', this.tools.warehouse.declaration.name)
      .replaceAll('{data_directory}', this.dataDirectory)
  }
}

async function leftoversOfOurs(home: string, id: string): Promise<readonly SnapshotMark[]> {
  abandonMark(id)
  return (await leftovers(home)).filter((mark) => mark.id === id)
}

type ReleaseTools = Pick<SnapshotTools, 'home' | 'inherited' | 'log'>

/** Snapshots that a process left behind when it was killed, or could not release. Says what became of them. */
export async function releaseLeftovers(tools: ReleaseTools, warehouse?: string): Promise<readonly string[]> {
  const notes: string[] = []
  for (const mark of await leftovers(tools.home, warehouse)) {
    notes.push((await releaseOne(mark, tools)) ?? `the snapshot ${mark.id}, left by an earlier backup, is released`)
  }
  return notes
}

/** What went wrong, if anything did. */
async function releaseOne(mark: SnapshotMark, { home, inherited, log }: ReleaseTools): Promise<string | undefined> {
  const { id, warehouse, release: argv, variables, timeoutMs } = mark
  try {
    // Not under the signal of a backup: it is released also where that was cancelled.
    const { signal } = new AbortController()
    await runCommand({ what: 'release', warehouse, argv, variables, timeoutMs }, { inherited, signal })
    await removeMark(home, id)
    return undefined
  } catch (error) {
    abandonMark(id)
    const trouble = `the snapshot ${id} is not released, the next backup tries again: ${messageOf(error)}`
    log.warn({ warehouse, snapshot: id }, trouble)
    return trouble
  }
}
