// `wharf wal push PATH`: stores one file of pg_wal, for PostgreSQL's archive_command.
//
//   0   the file is durable in every repository
//   1   it is not: the server keeps the file and asks again
//   2   a repository holds other bytes under its place: nothing was overwritten, an operator must look
//
// Never above 125: PostgreSQL takes that as a signal and restarts its archiver. Imports only what it needs: it is started once for each segment.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { isWharfError } from '../base/errors.ts'
import { systemClock } from '../base/clock.ts'
import type { Notice, Notices } from '../repository/contract.ts'
import { openWalRepository } from '../repository/wal-archive.ts'
import { parseControlFile } from '../wal/control-file.ts'
import { pushErrors } from './push/errors.ts'
import { pushOptionsName, readPushOptions, type PushOptions } from './push/options.ts'
import { pushFile } from './push/push-file.ts'
import type { WalShape } from './receiver/chunk-cutter.ts'

export const walPushExits = { stored: 0, failed: 1, conflict: 2 } as const
const never = new AbortController().signal

/** Called in the data directory. Never throws; says on standard error why it failed. */
export async function walPush(args: readonly string[]): Promise<number> {
  try {
    const { file, path } = parsePushArguments(args)
    const options = readPushOptions(file)
    const shape = shapeOfServer(file, options)
    const opened = await Promise.all(options.repositories.map(({ seed }) => openWalRepository(seed)))
    const tell = (reason: string, data: Readonly<Record<string, string>>): Promise<void> =>
      leaveNotice(
        { warehouse: options.warehouse, reason, atMs: systemClock.now(), data },
        opened.map(({ notices }) => notices),
      )
    const archives = opened.map(({ wal }, at) => ({ wal, required: options.repositories[at]!.required }))
    try {
      await pushFile(path, { archives, shape, signal: never, onProblem: (what) => tell('wal-unreadable', what) })
    } catch (error) {
      if (!isWharfError(error, 'repository.wal-conflict')) throw error
      await tell('wal-conflict', {
        file: basename(path),
        message: error.message,
        systemIdentifier: options.systemIdentifier,
      })
      say(error)
      return walPushExits.conflict
    }
    return walPushExits.stored
  } catch (error) {
    say(error)
    return walPushExits.failed
  }
}

function say(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error)
  const hint = isWharfError(error) && error.hint !== undefined ? `\nhint: ${error.hint}` : ''
  process.stderr.write(`wharf wal push: ${text}${hint}\n`)
}

function parsePushArguments(args: readonly string[]): { file: string; path: string } {
  const words: string[] = []
  let file: string = pushOptionsName
  for (let at = 0; at < args.length; at++) {
    const one = args[at]!
    if (one === '--options' && args[at + 1] !== undefined) file = args[++at]!
    else if (one.startsWith('--')) throw pushErrors.badPushUsage({ why: `${one} is not understood` })
    else words.push(one)
  }
  const [path, ...more] = words
  if (path === undefined || more.length > 0) throw pushErrors.badPushUsage({ why: 'one PATH is needed' })
  return { file, path }
}

/** From the control file of the server that calls us: it is its own witness. */
function shapeOfServer(file: string, options: PushOptions): WalShape {
  const control = parseControlFile(readFileSync('global/pg_control'))
  if (String(control.systemIdentifier) !== options.systemIdentifier)
    throw pushErrors.otherCluster({ file, theirs: options.systemIdentifier, ours: String(control.systemIdentifier) })
  return {
    systemIdentifier: control.systemIdentifier,
    majorVersion: control.majorVersion,
    postgresVersion: control.majorVersion * 10_000,
    segmentBytes: control.walSegmentBytes,
  }
}

/** In every repository that can be reached. The server asks again and again: one notice for one thing is enough. */
async function leaveNotice(notice: Notice, boards: readonly Notices[]): Promise<void> {
  await Promise.allSettled(
    boards.map(async (board) => {
      const known = await board.list(notice.warehouse, never)
      const same = known.some(
        (one) => one.reason === notice.reason && JSON.stringify(one.data) === JSON.stringify(notice.data),
      )
      if (!same) await board.put(notice, never)
    }),
  )
}
