// Damaged blocks of a warehouse under test, and `recover block` as the command line calls it. The truth is what the server itself had written.
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { OperationContext } from '../../src/base/operation.ts'
import type { Random } from '../../src/base/random.ts'
import { areEqual } from '../../src/recovery/blocks/judge.ts'
import { block as operation } from '../../src/recovery/operations/block.ts'
import { room as repositoryRoom } from '../../src/repository/room.ts'
import { room as warehouseRoom } from '../../src/warehouse/room.ts'
import { BLOCK_BYTES } from '../../src/wal/contract.ts'
import type { World } from '../backup/world.ts'
import { testContext } from '../support/context.ts'
import { binariesOf } from '../support/postgres.ts'

const signal = new AbortController().signal

export interface HealOutput {
  readonly way: string
  readonly backup?: string | undefined
  readonly lsn?: string | undefined
  readonly blocks: readonly {
    readonly relation: string
    readonly file: string
    readonly block: number
    readonly outcome: 'healed' | 'damaged' | 'good' | 'refused'
    readonly damage?: string | undefined
    readonly why?: string | undefined
    readonly kept?: string | undefined
  }[]
  readonly notes: readonly string[]
}

export async function heal(
  world: World,
  options: Readonly<Record<string, unknown>>,
  asking: { readonly confirm?: boolean | (() => Promise<boolean>) } = {},
): Promise<HealOutput> {
  const passphraseFile = join(world.folder, 'passphrase')
  await writeFile(passphraseFile, 'correct horse\n', { mode: 0o600 })
  await using scope = new AsyncDisposableStack()
  const config = { warehouses: { retail: { url: world.server.url, repositories: ['r'] } } }
  const context: OperationContext = {
    ...testContext({ home: join(world.folder, 'home'), rooms: [warehouseRoom, repositoryRoom], config }, scope),
    progress: () => {},
    confirm: () => (typeof asking.confirm === 'function' ? asking.confirm() : Promise.resolve(asking.confirm ?? true)),
    actor: 'test',
  }
  const input = operation.input.parse({
    warehouse: 'retail',
    repositoryPath: join(world.folder, 'repository'),
    passphraseFile,
    binaries: (await binariesOf(world.server.major)).bin,
    // The archive of these tests brings WAL when it is told to.
    wait: '0s',
    ...options,
  })
  const output = await operation.run(input, context, signal)
  operation.text(output)
  return output
}

export async function readPage(world: World, file: string, block: number): Promise<Buffer> {
  await using handle = await open(join(world.server.dataDirectory, file), 'r')
  const page = Buffer.alloc(BLOCK_BYTES)
  await handle.read(page, 0, BLOCK_BYTES, block * BLOCK_BYTES)
  return page
}

export async function writePage(world: World, place: { file: string; block: number }, page: Buffer): Promise<void> {
  await using handle = await open(join(world.server.dataDirectory, place.file), 'r+')
  await handle.write(page, 0, page.length, place.block * BLOCK_BYTES)
}

export async function fileOf(world: World, relation: string): Promise<{ file: string; blocks: number; name: string }> {
  const [row] = await world.server.psql<{ file: string; blocks: number; name: string }>(
    `select pg_relation_filepath(c.oid) as file, (pg_relation_size(c.oid) / 8192)::int as blocks, format('%s.%s', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = '${relation}'::regclass`,
  )
  return row!
}

export async function toastOf(world: World, table: string): Promise<string> {
  const [row] = await world.server.psql<{ name: string }>(
    `select reltoastrelid::regclass::text as name from pg_class where oid = '${table}'::regclass`,
  )
  return row!.name
}

export type DamageKind = 'flip' | 'zero' | 'misplaced' | 'stale'
export const damageKinds: readonly DamageKind[] = ['flip', 'zero', 'misplaced', 'stale']

/** `old`: the page as it was before its last change, for a write that got lost. */
export async function damage(
  world: World,
  place: { readonly file: string; readonly block: number; readonly blocks: number },
  how: { readonly kind: DamageKind; readonly old: Buffer | undefined; readonly random: Random },
): Promise<void> {
  const page = await readPage(world, place.file, place.block)
  if (how.kind === 'zero') page.fill(0)
  else if (how.kind === 'flip') {
    const at = how.random.integer(BLOCK_BYTES)
    page[at] = page[at]! ^ (1 << how.random.integer(8))
  } else if (how.kind === 'stale') how.old!.copy(page)
  else {
    const other = (place.block + 1 + how.random.integer(place.blocks - 1)) % place.blocks
    ;(await readPage(world, place.file, other)).copy(page)
  }
  await writePage(world, place, page)
}

/** Equal to what the server had written, but for hints and unused bytes. */
export function isSamePage(found: Buffer, truth: Buffer): boolean {
  return found.equals(truth) || areEqual(found, truth)
}

/** The server's memory is empty afterwards, and everything is on disk. */
export async function coldRestart(world: World): Promise<void> {
  await world.server.stop()
  await world.server.start()
}
