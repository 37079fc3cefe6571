// Acceptance item 5: random flips over packs, maps, manifests, WAL chunks, keys and leases, half of them in a repository without encryption.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom } from '../../src/base/random.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { flipOne } from '../corruption/flip.ts'
import { buildWorld } from '../corruption/world.ts'

export const defaultCount = 100

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const path = await mkdtemp(join(tmpdir(), 'wharf-flip-'))
  try {
    const worlds = [
      await buildWorld(join(path, 'sealed'), { encrypted: true, seed: options.seed }),
      await buildWorld(join(path, 'plain'), { encrypted: false, seed: options.seed }),
    ]
    let failed = 0
    let at = options.resumeFrom
    for (; at < options.count && !options.signal.aborted; at++) {
      const failure = await flipOne(worlds[at % 2]!, seededRandom(options.seed * 1_000_003 + at))
      if (failure !== undefined) failed++
      options.done(at + 1, failure)
    }
    return { passed: at - options.resumeFrom - failed, failed }
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}
