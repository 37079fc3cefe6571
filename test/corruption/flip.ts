// One flipped byte somewhere in a repository: check must find it and name the object, and reading must never give wrong bytes.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Random } from '../../src/base/random.ts'
import { checkRepository } from '../../src/repository/check/check.ts'
import { openStore } from '../../src/repository/stores.ts'
import { readAll, type World } from './world.ts'

const signal = new AbortController().signal

export async function objectsOf(world: World): Promise<string[]> {
  const store = await openStore({ kind: 'file', path: world.path })
  const names: string[] = []
  for await (const { name } of store.list('', { signal })) names.push(name)
  return names
}

export async function check(world: World, depth: 'structure' | 'all' = 'all') {
  return checkRepository({
    store: await openStore({ kind: 'file', path: world.path }),
    unlock: world.unlock,
    depth,
    signal,
  })
}

/** Undefined where all is well, else what went wrong. Puts the byte back. */
export async function flipOne(world: World, random: Random): Promise<string | undefined> {
  const names = await objectsOf(world)
  // First the kind, so that the few small objects are hit as often as the many large ones.
  const kinds = [...new Set(names.map((name) => name.split('/')[0]!))]
  const kind = kinds[random.integer(kinds.length)]!
  const some = names.filter((name) => name.split('/')[0] === kind)
  const name = some[random.integer(some.length)]!
  const path = join(world.path, name)
  const bytes = await readFile(path)
  const offset = random.integer(bytes.length)
  const mask = random.integer(4) === 0 ? 1 + random.integer(255) : 1 << random.integer(8)
  return tamper(world, { name, offset, mask, path, bytes })
}

export async function tamper(
  world: World,
  at: { name: string; offset: number; mask: number; path: string; bytes: Buffer },
): Promise<string | undefined> {
  const flipped = Buffer.from(at.bytes)
  flipped[at.offset]! ^= at.mask
  const where = `byte ${at.offset} of ${at.name} xor ${at.mask}`
  await writeFile(at.path, flipped)
  try {
    const { findings } = await check(world)
    if (!findings.some((one) => one.object === at.name || one.message.includes(at.name))) {
      return `${where}: check found ${findings.length === 0 ? 'nothing' : findings.map((one) => one.message).join('; ')}`
    }
    await readAll(world)
    return undefined
  } catch (error) {
    return `${where}: ${error instanceof Error ? `${error.name} ${error.message}` : String(error)}`
  } finally {
    await writeFile(at.path, at.bytes)
  }
}
