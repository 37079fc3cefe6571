// What an operator sees who holds, releases, expires, deletes and exports backups and gets it wrong: exact texts, by the real program. No server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { systemClock } from '../../src/base/clock.ts'
import { exitCodes, type ExitName } from '../../src/base/errors.ts'
import type { Repository } from '../../src/repository/contract.ts'
import { openRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import { emptyManifest } from '../support/sample-manifest.ts'
import { Place, type Seen } from './program.ts'

const program = fileURLToPath(new URL('../../bin/wharf', import.meta.url))
const signal = new AbortController().signal
const MIB = 1 << 20
const UNKNOWN = '20261120T140500Z-7f3a9c1e'

/** Two backups in `main`, none in `spare`, with WAL enough to fill any pipe. */
const here = new Place()
let older: string
let newest: string

before(async () => {
  here.configure(
    `warehouses:
  retail:
    url: postgresql://u@127.0.0.1:1/d
    repositories: [main]
  sales:
    url: postgresql://u@127.0.0.1:1/e
    repositories: [main]
repositories:
  main:
    path: repository
    encryption: none
  spare:
    path: spare
    encryption: none
backup:
  retail:
    retention:
      count: 1
`,
  )
  for (const name of ['main', 'spare']) await done(here.run(['repository', 'init', name]))
  const repository = await openRepository({
    name: 'main',
    store: await openStore({ kind: 'file', path: here.path('repository') }),
    unlock: { by: 'none' },
    clock: systemClock,
    holder: 'test',
    signal,
  })
  older = await take(repository, 1n)
  newest = await take(repository, 2n)
  await repository.close()
})
after(() => here[Symbol.dispose]())

async function done(running: Promise<Seen>): Promise<string> {
  const { code, out, err } = await running
  assert.equal(code, 0, err)
  return out
}

async function take(repository: Repository, at: bigint): Promise<string> {
  const backup = await repository.beginBackup({ warehouse: 'retail', signal })
  const sample = emptyManifest(backup.id, 'retail')
  const startLsn = (at << 32n) + BigInt(MIB)
  const bytes = randomBytes(MIB)
  const { systemIdentifier, timeline, postgresVersion } = sample
  const chunk = { systemIdentifier, timeline, postgresVersion, startLsn, walSegmentBytes: MIB, bytes }
  await repository.wal.put({ ...chunk, changeMap: undefined, commits: [], problem: undefined }, signal)
  const lsns = { startLsn, replayFromLsn: startLsn, checkpointLsn: startLsn, stopLsn: startLsn + BigInt(MIB) }
  const startedMs = sample.startedMs + Number(at)
  await backup.commit({ ...sample, ...lsns, startedMs, walSegmentBytes: MIB }, signal)
  return backup.id
}

async function refused(args: readonly string[], exit: ExitName, ...lines: readonly string[]): Promise<void> {
  const { code, out, err } = await here.run(args)
  assert.deepEqual(
    err.split('\n').filter((line) => line !== ''),
    lines,
  )
  assert.equal(out, '')
  assert.equal(code, exitCodes[exit])
}

describe('backup hold', () => {
  test('of a backup that is nowhere', async () => {
    await refused(
      ['backup', 'hold', UNKNOWN, '--reason', 'audit'],
      'notFound',
      `wharf: no complete backup ${UNKNOWN} in any repository`,
      'hint: see `wharf backup list` for the backups that exist',
    )
  })

  test('in a repository that is not declared, or does not have it', async () => {
    await refused(
      ['backup', 'hold', older, '--reason', 'audit', '--repository', 'mian'],
      'notFound',
      'wharf: no repository "mian" is declared in wharf.yaml',
      'hint: did you mean "main"?',
    )
    await refused(
      ['backup', 'hold', older, '--reason', 'audit', '--repository', 'spare'],
      'notFound',
      `wharf: no complete backup ${older} in any repository`,
      'hint: see `wharf backup list` for the backups that exist',
    )
  })

  test('without a reason', async () => {
    await refused(
      ['backup', 'hold', older],
      'usage',
      'wharf: required option "--reason <REASON>" not specified',
      'hint: wharf help backup hold',
    )
    await refused(
      ['backup', 'hold', older, '--reason', ' '],
      'usage',
      'wharf: --reason is too short: " ", the least is 1',
      'hint: wharf help backup hold',
    )
  })

  test('that has ended already', async () => {
    await refused(
      ['backup', 'hold', older, '--reason', 'audit', '--until', '2020-01-01T00:00:00Z'],
      'usage',
      'wharf: a hold until 2020-01-01T00:00:00.000Z has ended already',
      'hint: name a later time, or leave --until out: then it lasts until wharf backup release',
    )
    await refused(
      ['backup', 'hold', older, '--reason', 'audit', '--until', 'tomorrow'],
      'usage',
      'wharf: --until: not a time with a zone: "tomorrow" (write it like 2026-11-20T14:05:00+01:00)',
      'hint: wharf help backup hold',
    )
    assert.equal(await done(here.run(['backup', 'holds'])), 'no holds\n')
  })
})

describe('backup release', () => {
  test('of a hold that is not there, or was released', async () => {
    await refused(
      ['backup', 'release', UNKNOWN],
      'notFound',
      `wharf: there is no hold ${UNKNOWN}`,
      'hint: list them with: wharf backup holds',
    )
    const said = await done(here.run(['backup', 'hold', older, '--reason', 'audit']))
    const hold = /^\S+ is held in main by (\S+)\n$/.exec(said)![1]!
    assert.equal(await done(here.run(['backup', 'release', hold])), `${hold} holds ${older} no more in main\n`)
    await refused(
      ['backup', 'release', hold],
      'notFound',
      `wharf: there is no hold ${hold}`,
      'hint: list them with: wharf backup holds',
    )
  })
})

describe('backup expire and plan', { concurrency: 2 }, () => {
  for (const verb of ['expire', 'plan']) {
    test(`${verb} of a warehouse that is not declared`, async () => {
      await refused(
        ['backup', verb, 'retial'],
        'notFound',
        'wharf: no warehouse is called "retial"',
        'hint: did you mean "retail"?',
      )
    })

    test(`${verb} without saying which warehouse`, async () => {
      await refused(['backup', verb], 'usage', 'wharf: which warehouse?', 'hint: name one of: retail, sales')
    })

    test(`${verb} in a repository that is not declared`, async () => {
      await refused(
        ['backup', verb, 'retail', '--repository', 'mian'],
        'notFound',
        'wharf: no repository "mian" is declared in wharf.yaml',
        'hint: did you mean "main"?',
      )
    })
  }

  test('expire without a prune key', async () => {
    await refused(
      ['backup', 'expire', 'retail', '--yes'],
      'configuration',
      'wharf: repository "main" has no prune key in wharf.yaml: nothing can be deleted',
      'hint: on the host that may delete, give the repository prune: { key_file: PATH } and run wharf repository prune-key',
    )
  })

  test('expire that nobody confirms', async () => {
    await refused(
      ['backup', 'expire', 'retail'],
      'cancelled',
      'wharf: not confirmed: let 1 backups of retail expire, and delete what expired before?',
      'hint: answer y to the question, or pass --yes where nobody can be asked',
    )
  })
})

describe('backup delete', () => {
  test('of the newest, of one that is held, and of one that is nowhere', async () => {
    await refused(
      ['backup', 'delete', newest, '--reason', 'x', '--yes'],
      'failed',
      `wharf: ${newest} is the newest backup of retail`,
      'hint: the newest is never deleted: take another one first',
    )
    const said = await done(here.run(['backup', 'hold', older, '--reason', 'audit 2026']))
    await refused(
      ['backup', 'delete', older, '--reason', 'x', '--yes'],
      'failed',
      `wharf: ${older} is held: audit 2026`,
      'hint: see wharf backup holds, and end the hold with wharf backup release',
    )
    await done(here.run(['backup', 'release', said.trim().split(' ').at(-1)!]))
    await refused(
      ['backup', 'delete', UNKNOWN, '--reason', 'x', '--yes'],
      'notFound',
      `wharf: no complete backup ${UNKNOWN} in any repository`,
      'hint: see `wharf backup list` for the backups that exist',
    )
  })

  test('brought back without having expired', async () => {
    await refused(
      ['backup', 'restore-expired', older],
      'failed',
      `wharf: ${older} has not expired`,
      'hint: it is in wharf backup list; to keep it: wharf backup hold',
    )
  })
})

describe('repository export', () => {
  /** Exit code of the program and what it said, where the shell joins it to something else. */
  function shell(line: string): Promise<{ code: number | null; err: string }> {
    const child = spawn('bash', ['-c', line.replaceAll('WHARF', `"${process.execPath}" "${program}"`)], {
      cwd: here.folder,
      env: { ...process.env, WHARF_HOME: here.path('home'), WHARF_CONFIG: '', NO_COLOR: '1' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let err = ''
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, err })))
  }

  test('to a reader that leaves has failed', async () => {
    assert.deepEqual(
      await shell(`WHARF repository export ${newest} - --quiet --repository main | head -c 1; exit \${PIPESTATUS[0]}`),
      {
        code: exitCodes.failed,
        err: [
          'wharf: the reader of the export on standard output went away before its end',
          'hint: what it took is no whole export: look at why it ended, and export again',
          '',
        ].join('\n'),
      },
    )
  })

  test('to standard output that takes no more has failed', { skip: !existsSync('/dev/full') }, async () => {
    assert.deepEqual(await shell(`WHARF repository export ${newest} - --quiet --repository main > /dev/full`), {
      code: exitCodes.environment,
      err: [
        'wharf: cannot read or write the export -: ENOSPC: no space left on device, write',
        'hint: check the path and the rights to it',
        '',
      ].join('\n'),
    })
  })

  test('to a pipe by name whose reader leaves has failed', async () => {
    assert.deepEqual(
      await shell(
        `mkfifo pipe; head -c 1 pipe > taken & WHARF repository export ${newest} pipe --quiet --repository main`,
      ),
      {
        code: exitCodes.failed,
        err: [
          'wharf: the reader of the export on pipe went away before its end',
          'hint: what it took is no whole export: look at why it ended, and export again',
          '',
        ].join('\n'),
      },
    )
  })
})
