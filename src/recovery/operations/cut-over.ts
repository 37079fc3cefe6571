import { resolve } from 'node:path'
import { z } from 'zod'

import { isAlive } from '../../base/process-identity.ts'
import { defineOperation } from '../../base/operation.ts'
import { followErrors as errors } from '../follow/errors.ts'
import { askForCutOver, failureOf } from '../follow/request.ts'
import { readMarker } from '../restore/marker.ts'

const input = z.strictObject({ directory: z.string().min(1).describe('data directory of the standby') })
const output = z.object({
  directory: z.string(),
  lsn: z.string(),
  timeline: z.number(),
  port: z.number(),
  socketDirectory: z.string(),
  durationMs: z.number(),
})

const POLL_MS = 100

export const cutOver = defineOperation({
  name: 'recover cut-over',
  summary: 'open a standby that recover run --follow feeds',
  description: [
    'Asks the command that follows there to replay to the end of what the repository holds, prove the result and open it, and waits until that is done. On the same machine, since it is that command that does it.',
    'wharf recover cut-over /var/lib/postgresql/standby',
  ].join('\n\n'),
  input,
  positional: ['directory'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: ['recovery.not-following', 'recovery.nobody-follows', 'recovery.cut-over-failed'],
  needs: 'nothing',
  where: 'here',
  run: async ({ directory }, context, signal) => {
    const started = context.clock.monotonic()
    const root = resolve(directory)
    const before = await readMarker(root)
    if (before?.state !== 'following') throw errors.notFollowing(root)
    if (!isHeld(before)) throw errors.nobodyFollows(root)
    await askForCutOver(root)
    for (;;) {
      context.progress({ phase: 'cutting over' })
      const marker = await readMarker(root)
      if (marker?.state === 'recovered' && marker.opened)
        return { directory: root, ...marker.opened, durationMs: context.clock.monotonic() - started }
      const why = await failureOf(root)
      if (why !== undefined) throw errors.cutOverFailed({ directory: root, why })
      if (!marker || !isHeld(marker)) throw errors.nobodyFollows(root)
      await context.clock.sleep(POLL_MS, signal)
    }
  },
  text: ({ directory, lsn, timeline, port, socketDirectory }) =>
    `${directory} is open: replayed to ${lsn}, timeline ${timeline}; psql -h ${socketDirectory} -p ${port}`,
})

function isHeld({ holder }: { readonly holder?: { readonly process: string } | undefined }): boolean {
  return holder !== undefined && isAlive(holder.process)
}
