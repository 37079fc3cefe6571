// A small repository with every kind of object, and the original bytes of all that went in: the truth that reading is held against.
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'

import { systemClock } from '../../src/base/clock.ts'
import { seededRandom, type Random } from '../../src/base/random.ts'
import type {
  ExtentRef,
  Manifest,
  ManifestFile,
  MapRef,
  Repository,
  SegmentMap,
  WalChunk,
} from '../../src/repository/contract.ts'
import { initRepository, openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { BLOCK_BYTES } from '../../src/wal/contract.ts'

export const SYSTEM = 7_400_000_000_000_000_321n
const SEGMENT = 1 << 20
const signal = new AbortController().signal

export interface World {
  readonly path: string
  readonly unlock: Unlock
  /** Backup id → file → bytes as they were at the source. */
  readonly backups: ReadonlyMap<string, ReadonlyMap<string, Buffer>>
  readonly manifests: ReadonlyMap<string, Manifest>
  /** Segment name → bytes, only whole ones. */
  readonly wal: ReadonlyMap<string, Buffer>
  readonly history: string
}

export async function openWorld(world: Pick<World, 'path' | 'unlock'>): Promise<Repository> {
  const store = await openStore({ kind: 'file', path: world.path })
  return openRepository({
    name: 'main',
    store,
    unlock: world.unlock,
    clock: systemClock,
    holder: 'test',
    signal,
    packPlainBytes: 150_000,
  })
}

/** Half of it compresses, half does not. */
function pages(random: Random, count: number): Buffer {
  const bytes = Buffer.alloc(count * BLOCK_BYTES)
  for (let block = 0; block < count; block++) {
    const page = bytes.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)
    page.fill(random.integer(256))
    if (random.integer(2) === 0) random.bytes(2048).copy(page, random.integer(4096))
  }
  return bytes
}

export interface Cluster {
  readonly segments: Map<string, Buffer>
  readonly plain: Map<string, Buffer>
}

export function makeCluster(random: Random): Cluster {
  return {
    segments: new Map([20, 33, 1, 7].map((count, at) => [`base/5/${16_400 + at}`, pages(random, count)])),
    plain: new Map([
      ['PG_VERSION', Buffer.from('18\n')],
      ['pg_xact/0000', random.bytes(30_000)],
      ['empty', Buffer.alloc(0)],
    ]),
  }
}

export async function buildWorld(path: string, options: { encrypted: boolean; seed: number }): Promise<World> {
  const random = seededRandom(options.seed)
  const keyFile = join(path, 'main.key')
  await mkdir(join(path, 'repository'), { recursive: true })
  await writeFile(keyFile, `wharfinger-key-1 ${createHash('sha256').update(`key ${options.seed}`).digest('hex')}\n`)
  const unlock: Unlock = options.encrypted ? { by: 'key-file', path: keyFile } : { by: 'none' }
  const place = { path: join(path, 'repository'), unlock }
  await initRepository({ store: await openStore({ kind: 'file', path: place.path }), unlock, signal })
  const repository = await openWorld(place)
  const cluster = makeCluster(random)
  const backups = new Map<string, ReadonlyMap<string, Buffer>>()
  const manifests = new Map<string, Manifest>()
  let parent: Manifest | undefined
  for (let round = 0; round < 3; round++) {
    const manifest = await takeBackup(repository, cluster, { parent, random })
    backups.set(
      manifest.id,
      new Map([...cluster.segments, ...cluster.plain].map(([file, bytes]) => [file, Buffer.from(bytes)])),
    )
    manifests.set(manifest.id, manifest)
    parent = manifest
    // One relation changes some blocks; the others keep their maps.
    const changed = cluster.segments.get('base/5/16401')!
    for (let times = 0; times < 4; times++) pages(random, 1).copy(changed, random.integer(33) * BLOCK_BYTES)
  }
  const { wal, history } = await storeWal(repository, random)
  // One that is not finished, one that gave up.
  await (await repository.beginBackup({ warehouse: 'other', signal })).abandon()
  await repository.close()
  return { ...place, backups, manifests, wal, history }
}

export async function takeBackup(
  repository: Repository,
  cluster: Cluster,
  from: { parent: Manifest | undefined; random: Random },
): Promise<Manifest> {
  const backup = await repository.beginBackup({ warehouse: 'dw', signal })
  const writer = await backup.openPackWriter()
  const maps: SegmentMap[] = []
  const kept = new Map<string, MapRef>()
  for (const [file, bytes] of cluster.segments) {
    const before = from.parent?.files.find((one) => one.path === file)
    if (before?.kind === 'segment' && file !== 'base/5/16401') kept.set(file, before.map)
    else maps.push(await storeSegment(writer, file, bytes))
  }
  const plain: ManifestFile[] = []
  for (const [file, bytes] of cluster.plain) {
    const extents: ExtentRef[] = []
    for (let at = 0; at < bytes.length; at += 10_000) {
      extents.push(await writer.append({ file, blocks: new Uint32Array(0), plain: bytes.subarray(at, at + 10_000) }))
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    plain.push({
      kind: 'plain',
      path: file,
      mode: 0o600,
      modifiedMs: 1_790_000_000_000,
      bytes: bytes.length,
      extents,
      sha256,
    })
  }
  const { packs } = await writer.finish()
  const refs = await backup.writeMaps(maps, packs, signal)
  for (const [index, map] of maps.entries()) kept.set(map.file, refs[index]!)
  const segments: ManifestFile[] = [...cluster.segments].map(([path, bytes]) => ({
    kind: 'segment',
    path,
    mode: 0o600,
    modifiedMs: 1_790_000_000_000,
    bytes: bytes.length,
    map: kept.get(path)!,
    storedBy: backup.id,
    imageLsn: 0x1_0000_0028n,
    auditedMs: 0,
    auditBlock: 0,
  }))
  const all = new Set([...packs.map((pack) => pack.id), ...(from.parent?.packs ?? [])])
  const files = [...segments, ...plain].sort((one, other) => (one.path < other.path ? -1 : 1))
  const manifest = manifestOf(backup.id, { files, packs: [...all].sort(), parent: from.parent?.id })
  await backup.commit(manifest, signal)
  return manifest
}

export async function storeSegment(
  writer: { append(extent: { file: string; blocks: Uint32Array; plain: Buffer }): Promise<ExtentRef> },
  file: string,
  bytes: Buffer,
): Promise<SegmentMap> {
  const blockCount = bytes.length / BLOCK_BYTES
  const extents: ExtentRef[] = []
  const runs = []
  for (let block = 0; block < blockCount; block += 8) {
    const count = Math.min(8, blockCount - block)
    const blocks = Uint32Array.from({ length: count }, (_, at) => block + at)
    runs.push({ block, count, extent: extents.length, place: 0 })
    extents.push(
      await writer.append({ file, blocks, plain: bytes.subarray(block * BLOCK_BYTES, (block + count) * BLOCK_BYTES) }),
    )
  }
  return { file, blockCount, extents, runs }
}

function manifestOf(
  id: string,
  from: { files: readonly ManifestFile[]; packs: readonly string[]; parent: string | undefined },
): Manifest {
  return {
    id,
    warehouse: 'dw',
    node: 'dw',
    kind: from.parent === undefined ? 'full' : 'incremental',
    systemIdentifier: SYSTEM,
    timeline: 1,
    history: '',
    startLsn: 0x100_0028n,
    stopLsn: 0x100_0100n,
    checkpointLsn: 0x100_0060n,
    startedMs: 1_790_000_000_000,
    finishedMs: 1_790_000_001_000,
    postgresVersion: 180_004,
    catalogVersion: 202_506_291,
    walSegmentBytes: SEGMENT,
    blockBytes: BLOCK_BYTES,
    dataChecksums: true,
    backupLabel: 'START WAL LOCATION: 0/1000028 (file 000000010000000000000010)\n',
    olderImages: [],
    tablespaceMap: '',
    tablespaces: [],
    folders: [{ path: 'pg_wal', mode: 0o700 }],
    relations: [
      {
        database: 'dw',
        databaseOid: 5,
        schema: 'public',
        name: 'sales',
        oid: 16_400,
        kind: 'r',
        persistence: 'p',
        belongsTo: undefined,
        tier: 'critical',
        file: { tablespace: 1663, database: 5, relfilenode: 16_400 },
      },
    ],
    independent: true,
    replayFromLsn: 0x3000028n,
    scratch: [{ path: 'base/5/16998', mode: 0o600, bytes: 8192 }],
    distrusted: [],
    unlogged: [{ path: 'base/5/16999', bytes: 8192 }],
    corrupt: [{ file: 'base/5/16400', block: 3, reason: 'checksum' }],
    settings: { port: '5432' },
    outsideFiles: [{ path: '/etc/postgresql/pg_hba.conf', content: 'local all all trust\n' }],
    statistics: {
      clusterBytes: 1,
      readBytes: 2,
      newBytes: 3,
      storedBytes: 4,
      sharedBytes: 5,
      staticBytes: 0,
      auditedBytes: 0,
      deferredBytes: 0,
      skippedScratchBytes: 0,
      changeMapBytes: 0,
      durationMs: 6,
    },
    madeBy: 'test',
    ...from,
  }
}

async function storeWal(
  repository: Repository,
  random: Random,
): Promise<{ wal: Map<string, Buffer>; history: string }> {
  const wal = new Map<string, Buffer>()
  const chunk = (startLsn: bigint, bytes: Buffer): WalChunk => ({
    systemIdentifier: SYSTEM,
    timeline: 1,
    startLsn,
    walSegmentBytes: SEGMENT,
    postgresVersion: 180_004,
    bytes,
    changeMap: undefined,
    commits: [
      { kind: 'commit', startLsn: startLsn + 100n, endLsn: startLsn + 140n, xid: 733, timeUs: 1_790_000_000_000_000n },
    ],
    problem: undefined,
  })
  for (let segment = 16; segment < 19; segment++) {
    const start = BigInt(segment * SEGMENT)
    const bytes = Buffer.concat([random.bytes(5000), Buffer.alloc(SEGMENT - 5000, segment)])
    wal.set(`0000000100000000000000${segment.toString(16)}`.toUpperCase(), bytes)
    const cut = segment === 17 ? 300_000 : SEGMENT
    await repository.wal.put(chunk(start, bytes.subarray(0, cut)), signal)
    // The rest overlaps, as after a crash of the receiver.
    if (cut < SEGMENT) await repository.wal.put(chunk(start + BigInt(cut - 8192), bytes.subarray(cut - 8192)), signal)
  }
  const history = '1\t0/1300000\tno recovery target specified\n'
  await repository.wal.putHistory(SYSTEM, 2, history, signal)
  return { wal, history }
}

/**
 * Reads all of it as a restore would. Returns the errors that reading gave; throws where bytes came out that differ from the originals:
 * that must never happen.
 */
export async function readAll(world: World, how: { anyManifest?: boolean } = {}): Promise<Error[]> {
  const errors: Error[] = []
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (error instanceof WrongBytes) throw error
      errors.push(error instanceof Error ? error : new Error(`${what}: ${String(error)}`))
    }
  }
  let repository: Repository | undefined
  await attempt('open', async () => {
    repository = await openWorld(world)
  })
  if (!repository) return errors
  const open = repository
  for (const [id, files] of world.backups) {
    await attempt(id, async () => {
      const manifest = await open.readManifest(id, signal)
      // One that was healed refers to other places; its files are compared all the same.
      if (!how.anyManifest && !isDeepStrictEqual(manifest, world.manifests.get(id)))
        throw new WrongBytes(`manifest ${id}`)
      for (const file of manifest.files) await attempt(file.path, () => readFile(open, file, files.get(file.path)!))
    })
  }
  for (const [name, bytes] of world.wal) {
    await attempt(name, async () => {
      const read = await open.wal.segment(SYSTEM, name, signal)
      if (read?.partial !== false) throw new Error(`${name} is not whole`)
      if (!read.bytes.equals(bytes)) throw new WrongBytes(name)
    })
  }
  await attempt('history', async () =>
    same((await open.wal.history(SYSTEM, 2, signal)) ?? world.history, world.history, 'history'),
  )
  await open.close()
  return errors
}

export class WrongBytes extends Error {}

function same(one: string, other: string, what: string): void {
  if (one !== other) throw new WrongBytes(what)
}

export async function readFile(repository: Repository, file: ManifestFile, original: Buffer): Promise<void> {
  const reader = repository.openExtentReader()
  const read = async (ref: ExtentRef): Promise<Buffer> => {
    for await (const { plain } of reader.read(ref.pack, [{ ref, file: file.path }], signal)) return plain
    throw new Error('nothing was read')
  }
  const pieces: Buffer[] = []
  if (file.kind === 'plain') for (const ref of file.extents) pieces.push(await read(ref))
  else {
    const [map] = await repository.readMaps([file.map], signal)
    for (const run of map!.runs) {
      const plain = await read(map!.extents[run.extent]!)
      pieces.push(plain.subarray(run.place * BLOCK_BYTES, (run.place + run.count) * BLOCK_BYTES))
    }
  }
  if (!Buffer.concat(pieces).equals(original)) throw new WrongBytes(file.path)
}
