// PostgreSQL's own BASE_BACKUP (17 and later: INCREMENTAL) over the replication protocol, as pg_basebackup asks for it: checkpoint fast, a manifest, the
// archive written to a file and fsynced. Not counted for it: starting a program, fetching WAL, and waiting for it. Compressed by zstd with 2 workers where
// the server was built with it, else not at all.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import { Client, type ClientConfig } from 'pg'

import { filesRead, straceInto } from '../../test/backup/strace.ts'
import type { TestServer } from '../../test/support/postgres.ts'
import { folderFor, PROCESSES, type Contender } from './contender.ts'
import { folderBytes, type Cost } from './measured.ts'

/** What a query of `pg` must be to speak a command of the replication protocol. */
interface Wire {
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

class Command {
  readonly done = Promise.withResolvers<void>()
  private readonly text: string
  private readonly sent: Buffer | undefined
  private readonly onData: (chunk: Buffer) => void

  constructor(text: string, copy: { sent?: Buffer; onData?: (chunk: Buffer) => void } = {}) {
    this.text = text
    this.sent = copy.sent
    this.onData = copy.onData ?? (() => {})
  }

  submit(wire: Wire): void {
    wire.query(this.text)
  }
  handleCopyInResponse(wire: Wire): void {
    const bytes = this.sent ?? Buffer.alloc(0)
    for (let at = 0; at < bytes.length; at += 65_536) wire.sendCopyFromChunk(bytes.subarray(at, at + 65_536))
    wire.endCopyFrom()
  }
  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.onData(chunk)
  }
  handleReadyForQuery(): void {
    this.done.resolve()
  }
  handleError(error: Error): void {
    this.done.reject(error)
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
}

async function carryOut(client: Client, command: Command): Promise<void> {
  client.query(command as never)
  await command.done.promise
}

/** Messages inside CopyData: n new archive, m the manifest begins, d data, p progress. */
class Archive {
  private readonly files: { data: number; manifest: number }
  private inManifest = false
  bytes = 0

  constructor(files: { data: number; manifest: number }) {
    this.files = files
  }

  take(chunk: Buffer): void {
    const kind = String.fromCharCode(chunk[0]!)
    if (kind === 'm') this.inManifest = true
    else if (kind === 'n') this.inManifest = false
    else if (kind === 'd') {
      this.bytes += chunk.length - 1
      writeSync(this.inManifest ? this.files.manifest : this.files.data, chunk, 1)
    }
  }
}

export function baseBackup(server: TestServer, folder: string): Contender {
  const home = folderFor(server, folder)
  const manifest = (name: string): string => join(home, `${name}.manifest`)
  let compression: string | undefined
  let newest: string | undefined
  let count = 0

  async function take(kind: 'full' | 'increment', around?: (pid: number) => Promise<AsyncDisposable>): Promise<Cost> {
    const parent = kind === 'full' ? undefined : newest
    const name = `backup-${count++}`
    const startedAt = performance.now()
    const client = new Client({ connectionString: server.url, replication: 'true' } as ClientConfig)
    await client.connect()
    try {
      await using tracing = await around?.((client as unknown as { processID: number }).processID)
      void tracing
      if (parent !== undefined)
        await carryOut(client, new Command('UPLOAD_MANIFEST', { sent: readFileSync(manifest(parent)) }))
      const files = { data: openSync(join(home, `${name}.tar`), 'w'), manifest: openSync(manifest(name), 'w') }
      const archive = new Archive(files)
      const options = [`LABEL '${name}'`, "CHECKPOINT 'fast'", 'WAIT false', "MANIFEST 'yes'"]
      if (compression) options.push(compression)
      if (parent !== undefined) options.push('INCREMENTAL')
      await carryOut(client, new Command(`BASE_BACKUP (${options.join(', ')})`, { onData: (one) => archive.take(one) }))
      for (const file of Object.values(files)) {
        fsyncSync(file)
        closeSync(file)
      }
    } finally {
      await client.end()
    }
    const seconds = (performance.now() - startedAt) / 1000
    // Of a chain only the newest manifest is needed here; a full is as large as the data.
    if (kind === 'full') rmSync(join(home, `${name}.tar`))
    newest = name
    return { seconds, cpuSeconds: NaN }
  }

  return {
    name: 'BASE_BACKUP',
    warm: async () => {
      compression ??= (await hasZstd(server)) ? `COMPRESSION 'zstd', COMPRESSION_DETAIL 'workers=${PROCESSES}'` : ''
    },
    backup: (kind) => take(kind),
    stored: () => ({ backups: folderBytes(home), wal: 0 }),
    bytesRead: async () => {
      const log = join(folderFor(server, folder, '..'), 'base-backup.strace')
      await take('increment', (pid) => traced(log, pid))
      let sum = 0
      const read = await filesRead(log, server.dataDirectory)
      rmSync(log)
      // WAL and its summaries are how it knows what changed; only data counts.
      for (const [path, bytes] of read.bytes) if (!path.startsWith('pg_wal/')) sum += bytes
      return sum
    },
  }
}

async function traced(log: string, pid: number): Promise<AsyncDisposable> {
  const [program = '', ...options] = straceInto(log).filter((one) => one !== '-E' && !one.startsWith('UV_'))
  const child = spawn(program, [...options.filter((one) => one !== '-qq'), '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  // It says "attached" once it counts.
  await once(child.stderr, 'data')
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGINT')
      await once(child, 'close')
    },
  }
}

async function hasZstd(server: TestServer): Promise<boolean> {
  const client = new Client({ connectionString: server.url, replication: 'true' } as ClientConfig)
  client.on('error', () => {})
  await client.connect()
  try {
    // An unknown method is refused before anything is read; a wrong detail of a known one too, with another message.
    await carryOut(client, new Command(`BASE_BACKUP (COMPRESSION 'zstd', COMPRESSION_DETAIL 'level=99')`))
    return true
  } catch (error) {
    return !/does not support compression/.test(String(error))
  } finally {
    await client.end()
  }
}
