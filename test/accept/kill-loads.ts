// Acceptance 4, loading: kill −9 of the worker at random moments; every file is there exactly once. One case is one kill in a database of its own.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { messageOf } from '../../src/base/errors.ts'
import type { AcceptOptions, AcceptResult } from '../../tools/accept.ts'
import { killWhileLoading } from '../crash/loads-kill.ts'
import { generateFeeds } from '../loads/feeds.ts'
import { ensureDatabase } from '../loads/stage.ts'
import { startServer } from '../support/postgres.ts'

const FILES = 60
export const defaultCount = 50

export async function run(options: AcceptOptions): Promise<AcceptResult> {
  const feeds = await mkdtemp(join(tmpdir(), 'wharf-accept-'))
  try {
    await generateFeeds({ folder: feeds, seed: options.seed, days: FILES })
    await using server = await startServer({ major: 18 })
    await ensureDatabase(server, 'control')
    let failed = 0
    let done = options.resumeFrom
    for (; done < options.count && !options.signal.aborted; done++) {
      const failure = await killWhileLoading({
        server,
        feeds,
        files: FILES,
        seed: options.seed * 10_000 + done,
        kills: 1,
      }).then(
        () => undefined,
        (error: unknown) => messageOf(error),
      )
      if (failure !== undefined) failed++
      options.done(done + 1, failure)
    }
    return { passed: done - options.resumeFrom - failed, failed }
  } finally {
    await rm(feeds, { recursive: true, force: true })
  }
}
