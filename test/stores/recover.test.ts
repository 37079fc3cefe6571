// The control database is gone, the machine is bare: a bucket under compliance lock, its passphrase, this program and PostgreSQL's binaries
// bring everything back (P4). Each call is a process of its own, with an empty home and no configuration.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { checkRepository } from '../../src/repository/check/check.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { RecoveryReport } from '../../src/recovery/run-recovery.ts'
import { complaintsOf, contentsOf } from '../backup/truth.ts'
import { openWorld, type World } from '../backup/world.ts'
import { Recovered } from '../restore/recovered.ts'
import { binariesOf } from '../support/postgres.ts'
import { S3Server, testAccount } from '../support/s3/server.ts'

const signal = new AbortController().signal
const wharf = fileURLToPath(new URL('../../bin/wharf', import.meta.url))

/** Runs `wharf …` with nothing but the credentials in its environment; the document that it prints. */
async function bare(world: World, args: readonly string[]): Promise<unknown> {
  const home = join(world.folder, 'bare-home')
  await mkdir(home, { recursive: true })
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    AWS_ACCESS_KEY_ID: testAccount.accessKeyId,
    AWS_SECRET_ACCESS_KEY: testAccount.secretAccessKey,
  }
  const child = spawn(wharf, [...args, '--home', home, '--json'], { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr]: [string[], string[]] = [[], []]
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  assert.equal(code, 0, stderr.join('') + stdout.join(''))
  return JSON.parse(stdout.join(''))
}

test(
  'everything comes back from a locked bucket onto a bare machine, and no secret is written where others read',
  { timeout: 600_000 },
  async () => {
    await using s3 = await S3Server.start()
    const options = s3.place({ lock: { mode: 'compliance', days: 30 } })
    const bucket = s3.buckets.get(options.bucket)!
    await using world = await openWorld({ major: 18, place: { kind: 's3', options } })
    const { server } = world
    await server.psql(
      'create table sales as select n as id, md5(n::text) as what from generate_series(1, 20000) n; create index on sales (id)',
    )
    await world.take('full')
    await server.psql('update sales set what = what || id where id % 100 = 0')
    await world.take('incremental')
    await server.psql('create table later as select n from generate_series(1, 500) n; delete from sales where id < 50')
    await server.psql('select pg_switch_wal()')
    await world.archiveAll()
    const contents = await contentsOf(server)

    const passphrase = join(world.folder, 'passphrase')
    await writeFile(passphrase, 'correct horse\n', { mode: 0o600 })
    await chmod(world.folder, 0o755)
    const place = [
      '--repository-s3',
      `s3://${options.bucket}/some/where`,
      '--s3-endpoint',
      s3.endpoint,
      '--s3-path-style',
      '--passphrase-file',
      passphrase,
    ]
    const run = (directory: string, ...more: string[]) =>
      bare(world, [
        'recover',
        'run',
        'retail',
        '--latest',
        '--to-directory',
        directory,
        ...place,
        '--set',
        'fsync=off',
        ...more,
      ])

    const laid = join(world.folder, 'laid-out')
    await run(laid)
    const settings = await readFile(join(laid, 'postgresql.auto.conf'), 'utf8')
    assert.match(settings, /restore_command/)
    assert.ok(!settings.includes(testAccount.secretAccessKey) && !settings.includes(testAccount.accessKeyId))
    for (const name of await readdir(laid)) {
      const path = join(laid, name)
      const info = await stat(path)
      if (info.isFile() && (await readFile(path)).includes(testAccount.secretAccessKey))
        assert.equal(info.mode & 0o777, 0o600, `${name} holds the credentials: for the server's user alone`)
    }

    const directory = join(world.folder, 'bare')
    const { bin } = await binariesOf(18)
    const report = (await run(
      directory,
      '--start',
      '--verify',
      'full',
      '--binaries',
      bin,
      '--set',
      'shared_buffers=16MB',
    )) as RecoveryReport
    await using recovered = new Recovered({ directory, report, progress: [] })
    assert.deepEqual(await contentsOf(recovered.asServer), contents)
    assert.deepEqual(await complaintsOf(recovered.asServer), [])
    for (const name of await readdir(directory))
      assert.ok(!name.startsWith('wharf-wal'), `${name} would keep secrets beyond the recovery`)

    const store = await openStore({ kind: 's3', options })
    const unlock = { by: 'passphrase', passphrase: 'correct horse' } as const
    assert.deepEqual((await checkRepository({ store, unlock, depth: 'all', signal })).findings, [])
    assert.deepEqual(bucket.overwritten, [], 'nothing was ever overwritten')
  },
)
