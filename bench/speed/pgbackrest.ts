// pgBackRest at its best settings for one host: 2 processes, zstd 3, bundles, and block incrementals where its version has them (2.46).
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { filesRead, straceInto } from '../../test/backup/strace.ts'
import type { TestServer } from '../../test/support/postgres.ts'
import { folderFor, PROCESSES, type Contender } from './contender.ts'
import { folderBytes, measured } from './measured.ts'

export function pgbackrestVersion(program: string): string {
  return /[\d.]+/.exec(spawnSync(program, ['version'], { encoding: 'utf8' }).stdout)?.[0] ?? '?'
}

export interface PgBackRest extends Contender {
  /** What archive_command must call. */
  readonly archiveCommand: string
  prepare(): Promise<void>
}

export function pgbackrest(server: TestServer, at: { program: string; folder: string; blocks: boolean }): PgBackRest {
  const name = `pgbackrest ${pgbackrestVersion(at.program)}${at.blocks ? ' with blocks' : ''}`
  const home = folderFor(server, at.folder)
  const config = join(home, 'pgbackrest.conf')
  const part = (folder: string): string => folderFor(server, home, folder)
  writeFileSync(
    config,
    `[global]\nrepo1-path=${part('repository')}\nlog-path=${part('log')}\nlock-path=${part('lock')}\nspool-path=${part('spool')}\n` +
      `process-max=${PROCESSES}\ncompress-type=zst\ncompress-level=3\nstart-fast=y\nrepo1-bundle=y\n${at.blocks ? 'repo1-block=y\n' : ''}repo1-retention-full=1\n` +
      `[main]\npg1-path=${server.dataDirectory}\npg1-port=${server.port}\npg1-socket-path=${server.socketDirectory}\npg1-user=postgres\npg1-database=postgres\n`,
    { mode: 0o644 },
  )
  const base = [at.program, `--config=${config}`, '--stanza=main', '--log-level-console=warn']
  const as = { account: server.account }
  const increment = [...base, '--type=incr', 'backup']
  return {
    name,
    archiveCommand: `${at.program} --config=${config} --stanza=main archive-push %p`,
    prepare: async () => {
      await measured([...base, 'stanza-create'], as)
    },
    backup: (kind) => measured(kind === 'full' ? [...base, '--type=full', 'backup'] : increment, as),
    warm: async () => {
      await measured([at.program, 'version'])
    },
    stored: () => ({
      backups: folderBytes(join(home, 'repository/backup')),
      wal: folderBytes(join(home, 'repository/archive')),
    }),
    bytesRead: async () => {
      const log = join(home, 'read.strace')
      writeFileSync(log, '')
      if (server.account) (await import('node:fs')).chownSync(log, server.account.uid, server.account.gid)
      await measured([...straceInto(log), ...increment], as)
      return sumOf(await filesRead(log, server.dataDirectory))
    },
    restore: (into) => measured([...base, `--pg1-path=${into}`, 'restore'], as),
    delta: (into) => measured([...base, `--pg1-path=${into}`, '--delta', 'restore'], as),
  }
}

export function sumOf(read: { readonly bytes: ReadonlyMap<string, number> }): number {
  let sum = 0
  for (const bytes of read.bytes.values()) sum += bytes
  return sum
}
