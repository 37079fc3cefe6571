// Acceptance 2: pages of heap, btree and TOAST damaged by flipped bits, zeros, misplaced and lost writes on a live server with changes since the backup are healed exactly.
import { seededRandom } from '../../src/base/random.ts'
import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { openWorld } from '../backup/world.ts'
import { healScene, schema } from '../blocks/scene.ts'
import { majors } from '../support/postgres.ts'

/** Scenes; each damages five pages. */
export const defaultCount = 40

const SCENES_PER_WORLD = 5

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  let failed = 0
  let at = options.resumeFrom
  while (at < options.count && !options.signal.aborted) {
    const group = Math.floor(at / SCENES_PER_WORLD)
    const random = seededRandom(options.seed * 7919 + group)
    const major = majors[(options.seed + group) % majors.length]!
    await using world = await openWorld({ major, checksums: true, settings: { autovacuum: 'off' } })
    await world.server.psql(schema)
    await world.take('full')
    for (let scene = 0; scene < SCENES_PER_WORLD && at < options.count && !options.signal.aborted; scene++, at++) {
      let failure: string | undefined
      try {
        options.log(`PostgreSQL ${major}: ${await healScene(world, seededRandom(options.seed * 1_000_003 + at))}`)
        if (random.integer(3) === 0) await world.take('incremental')
      } catch (error) {
        failure = `PostgreSQL ${major}, scene ${at}: ${messageOf(error)}`
        failed++
      }
      options.done(at + 1, failure)
      if (failure !== undefined) {
        at++
        break
      }
    }
  }
  return { passed: at - options.resumeFrom - failed, failed }
}
