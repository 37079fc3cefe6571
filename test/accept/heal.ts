// Issue 3, several repositories: random damage in one of two repositories is found by check, healed from the other, and everything reads back as it was.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom } from '../../src/base/random.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { copyWorld, healRound } from '../corruption/two.ts'
import { buildWorld, type World } from '../corruption/world.ts'

export const defaultCount = 100

/** After so many rounds worlds are built anew: what has been healed often has no more names for replacements. */
const ROUNDS_PER_WORLD = 10

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let failed = 0
  let at = options.resumeFrom
  while (at < options.count && !options.signal.aborted) {
    const path = await mkdtemp(join(tmpdir(), 'wharf-heal-'))
    try {
      const worlds = await build(path, options.seed + at)
      for (let round = 0; round < ROUNDS_PER_WORLD && at < options.count && !options.signal.aborted; round++, at++) {
        const random = seededRandom(options.seed * 1_000_003 + at)
        const [one, other] = random.integer(2) === 0 ? worlds : (worlds.toReversed() as [World, World])
        const failure = await healRound(one, other, { random, damages: 1 + random.integer(3) })
        if (failure !== undefined) failed++
        options.done(at + 1, failure)
        if (failure !== undefined) {
          at++
          break
        }
      }
    } finally {
      await rm(path, { recursive: true, force: true })
    }
  }
  return { passed: at - options.resumeFrom - failed, failed }
}

/** Encrypted and not, each with each. */
async function build(path: string, seed: number): Promise<[World, World]> {
  const random = seededRandom(seed)
  const world = await buildWorld(join(path, 'one'), { encrypted: random.integer(2) === 0, seed })
  const sealed = { by: 'passphrase', passphrase: 'other', scryptCost: 1024 } as const
  return [world, await copyWorld(world, join(path, 'two'), random.integer(2) === 0 ? sealed : { by: 'none' })]
}
