// This program, at its defaults, as it is installed: the command line itself, an encrypted repository.
import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { CommandLine } from '../../test/backup/cli.ts'
import { filesRead, straceInto } from '../../test/backup/strace.ts'
import { programPath } from '../../test/support/requirements.ts'
import type { TestServer } from '../../test/support/postgres.ts'
import { folderFor, PROCESSES, type Contender } from './contender.ts'
import { installInto } from './installed.ts'
import { folderBytes, measured } from './measured.ts'
import { sumOf } from './pgbackrest.ts'

export async function wharfinger(server: TestServer, folder: string): Promise<Contender> {
  const home = folderFor(server, folder)
  const installed = await installInto(folder)
  // As in README's example. A passphrase costs half a second and more of each run, which is what scrypt is for.
  const encryption = `{ key_file: ${join(home, 'main.key')} }`
  const wharf = new CommandLine(home, server.url, { program: installed, encryption })
  const run = (...args: string[]) => measured([...installed, ...wharf.arguments(...args)], { env: wharf.env })
  return {
    name: 'wharf',
    backup: async (kind) => {
      // A repository of its own for each full, outside of the time: pgBackRest keeps one full and expires the one before.
      if (kind === 'full') {
        for (const old of ['repository', 'main.key']) rmSync(join(home, old), { recursive: true, force: true })
        await run('repository', 'init', 'main')
      }
      const asked = kind === 'full' ? 'full' : 'incremental'
      return run('backup', 'run', 'retail', '--kind', asked, '--workers', String(PROCESSES))
    },
    warm: async () => {
      await measured([...installed, '--version'])
    },
    stored: () => {
      const wal = folderBytes(join(home, 'repository/wal'))
      return { backups: folderBytes(join(home, 'repository')) - wal, wal }
    },
    ...(programPath('strace')
      ? {
          bytesRead: async () => {
            const log = join(home, 'read.strace')
            await wharf.json(['backup', 'run', 'retail'], { wrap: straceInto(log) })
            return sumOf(await filesRead(log, server.dataDirectory))
          },
        }
      : {}),
    restore: (into) =>
      run('recover', 'run', 'retail', '--to-directory', into, '--latest', '--workers', String(PROCESSES)),
    delta: (into) =>
      run(
        'recover',
        'run',
        'retail',
        '--in-place',
        into,
        '--latest',
        '--workers',
        String(PROCESSES),
        '--yes',
        '--json',
      ),
  }
}
