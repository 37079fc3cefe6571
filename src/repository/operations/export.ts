import { createWriteStream, type WriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Writable } from 'node:stream'

import { z } from 'zod'

import { syncFolder } from '../../base/durable.ts'
import { codeOf, messageOf } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { parseLsn } from '../../wal/lsn.ts'
import { contentsSchema } from '../export/contents.ts'
import { declaredRepository } from '../config.ts'
import { repositories, type Repository } from '../contract.ts'
import { errors } from '../errors.ts'
import { exportBackup } from '../export/export.ts'
import type { Sink } from '../export/stream.ts'

const STANDARD_OUTPUT = '-'

export const exportOne = defineOperation({
  name: 'repository export',
  summary: 'write one backup with its WAL and the wrapped keys as one stream',
  description: [
    'For tape, or for carrying off site. Objects are written as they are stored, so that an encrypted backup stays encrypted: what opens the repository opens the export. The last part is sealed and says what the stream holds; import takes nothing of a stream that was cut or changed anywhere.',
    'A file appears under its name when it is whole and durable. - is standard output (then without --json); a device or a pipe may exist.',
    'wharf repository export 20261120T140500Z-7f3a9c1e /mnt/usb/retail.wharf\nwharf repository export 20261120T140500Z-7f3a9c1e - | ssh vault "cat > retail.wharf"',
  ].join('\n\n'),
  input: z.strictObject({
    backup: z.string().describe('id of the backup'),
    to: z.string().describe('file, device or pipe; - for standard output'),
    repository: z.string().optional().describe('may be left out where only one is declared'),
    wal: z
      .enum(['needed', 'all'])
      .default('needed')
      .describe('needed: up to the end of the backup; all: as far as it goes without a hole'),
    untilLsn: z.string().optional().describe('instead of --wal: up to this position'),
  }),
  positional: ['backup', 'to'],
  output: contentsSchema.omit({ sha256: true }).extend({ to: z.string(), bytes: z.number() }),
  role: 'operator',
  danger: 'none',
  errors: [
    'repository.unknown',
    'repository.unknown-backup',
    'repository.wal-gap',
    'repository.export-exists',
    'repository.export-reader-left',
  ],
  needs: 'repository',
  where: 'here',
  only: 'command-line',
  writesOutput: ({ to }) => to === STANDARD_OUTPUT,
  async run(input, context, signal) {
    const declared = declaredRepository(context, input.repository)
    const repository = await (await context.use(repositories)).open(declared.name, signal)
    const untilLsn =
      input.untilLsn !== undefined
        ? parseLsn(input.untilLsn)
        : input.wal === 'all'
          ? await endOfWal(repository, input.backup, signal)
          : undefined
    await using output = await openOutput(input.to)
    const done = await exportBackup({
      repository,
      id: input.backup,
      untilLsn,
      sink: output.sink,
      report: (event) => context.progress(event),
      signal,
    })
    await output.finish()
    return { to: input.to, ...done }
  },
  text: (done) =>
    done.to === STANDARD_OUTPUT
      ? ''
      : `${done.backup} of ${done.warehouse} and its WAL from ${done.fromLsn} to ${done.toLsn}: ${done.objects} objects, ${formatSize(done.bytes)}, in ${done.to}`,
})

/** Of the range in which the backup lies, on its timeline. */
async function endOfWal(repository: Repository, id: string, signal: AbortSignal): Promise<bigint | undefined> {
  const { systemIdentifier, timeline, stopLsn } = await repository.readManifest(id, signal)
  const ranges = await repository.wal.ranges(systemIdentifier, signal)
  return ranges.find((one) => one.timeline === timeline && one.startLsn < stopLsn && one.endLsn >= stopLsn)?.endLsn
}

interface Output extends AsyncDisposable {
  readonly sink: Sink
  /** Whole, durable and under its name. Without it nothing is left of a file. */
  finish(): Promise<void>
}

async function openOutput(to: string): Promise<Output> {
  const path = resolve(to)
  const there = to === STANDARD_OUTPUT ? undefined : await stat(path).catch(() => undefined)
  if (there?.isFile() === true || there?.isDirectory() === true) throw errors.exportExists({ path })
  const isFile = to !== STANDARD_OUTPUT && !there
  const written = isFile ? `${path}.unfinished` : path
  const failed = (error: unknown): Error =>
    codeOf(error) === 'EPIPE'
      ? errors.exportReaderLeft({ to: to === STANDARD_OUTPUT ? 'standard output' : to }, { cause: error })
      : errors.exportUnreachable({ path: to, why: messageOf(error) }, { cause: error })
  const stream: Writable =
    to === STANDARD_OUTPUT
      ? process.stdout
      : await opened(written).catch((error: unknown) => Promise.reject(failed(error)))
  // Each write says it itself.
  stream.on('error', () => {})
  let finished = false
  return {
    sink: (bytes) => write(stream, bytes).catch((error: unknown) => Promise.reject(failed(error))),
    finish: async () => {
      if (to !== STANDARD_OUTPUT) await ended(stream).catch((error: unknown) => Promise.reject(failed(error)))
      if (isFile) {
        await using handle = await open(written, 'r+')
        await handle.sync()
        await rename(written, path)
        await syncFolder(dirname(path))
      }
      finished = true
    },
    [Symbol.asyncDispose]: async () => {
      if (finished || to === STANDARD_OUTPUT) return
      stream.destroy()
      if (isFile) await rm(written, { force: true })
    },
  }
}

function opened(path: string): Promise<WriteStream> {
  return new Promise((resolve, reject) => {
    const stream = createWriteStream(path, { mode: 0o600 })
    stream.once('open', () => resolve(stream)).once('error', reject)
  })
}

/** Resolves when the bytes were taken. */
function write(stream: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

function ended(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject)
    stream.end(() => resolve())
  })
}
