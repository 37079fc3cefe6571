// What an operator sees when something outside is wrong: one clear error with a hint and the documented exit code. Exact texts.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { after, before, describe, test } from 'node:test'

import { exitCodes, type ExitName } from '../../src/base/errors.ts'
import { startServer, type TestServer } from '../support/postgres.ts'
import { requirement } from '../support/requirements.ts'
import { startOldServer } from './old-server.ts'
import { Place, type Seen } from './program.ts'

const SCRAM = { authentication: 'scram-sha-256' } as const

let server: TestServer
before(async () => {
  server = await startServer({ major: 18, ...SCRAM })
  await server.psql("CREATE ROLE weak LOGIN PASSWORD 'weak'")
})
after(() => server[Symbol.asyncDispose]())

function yaml(url: string, repository = 'repository'): string {
  return `warehouses:\n  retail:\n    url: ${url}\n    repositories: [main]\nrepositories:\n  main:\n    path: ${repository}\n    encryption: none\n`
}

/** Standard error is the error and nothing else but progress before it; standard output is empty. */
function expectError(seen: Seen, exit: ExitName, ...lines: readonly string[]): void {
  const shown = seen.err.split('\n').filter((line) => line !== '' && !/^(starting|preparing)/.test(line))
  assert.deepEqual(shown, lines)
  assert.equal(seen.out, '')
  assert.equal(seen.code, exitCodes[exit])
}

async function place(url: string, repository?: string): Promise<Place> {
  const made = new Place()
  made.configure(yaml(url, repository))
  const { code, err } = await made.run(['repository', 'init'])
  assert.equal(code, 0, err)
  return made
}

describe('wrong URL', () => {
  test('that is none', async () => {
    using here = new Place()
    here.configure(yaml('postgres//u:secret@h'))
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'configuration',
      'wharf: <folder>/wharf.yaml:3:10: not a connection URL: it cannot be parsed (is a special character in the password not percent-encoded?)',
      'hint: postgresql://user@host:5432/database?sslmode=verify-full',
    )
  })

  test('whose host is not known', async () => {
    using here = await place('postgresql://u@no-such-host.invalid/d')
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'unreachable',
      'wharf: the host "no-such-host.invalid" of warehouse "retail" is not known',
      'hint: check the spelling in the URL and that the name resolves on this machine',
    )
  })

  test('whose port nobody listens on', async () => {
    using here = await place('postgresql://u@127.0.0.1:1/d')
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'unreachable',
      'wharf: warehouse "retail" cannot be reached at 127.0.0.1:1: connection refused',
      'hint: is PostgreSQL running there, do port and listen_addresses match the URL, and does the firewall let this machine in?',
    )
  })

  test('whose database is not there', async () => {
    using here = await place(server.urlFor({ database: 'nothing' }))
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'notFound',
      'wharf: warehouse "retail" has no database "nothing"',
      'hint: check the last part of the URL; psql -l lists the databases',
    )
  })

  test('of a warehouse that is not declared', async () => {
    using here = await place(server.url)
    expectError(
      await here.run(['backup', 'run', 'retial']),
      'notFound',
      'wharf: no warehouse is called "retial"',
      'hint: did you mean "retail"?',
    )
    expectError(
      await here.run(['backup', 'list', '--warehouse', 'retial']),
      'notFound',
      'wharf: no warehouse is called "retial"',
      'hint: did you mean "retail"?',
    )
    assert.equal((await here.run(['backup', 'list', '--warehouse', 'retail'])).out, 'no backups\n')
  })
})

describe('adding a warehouse', () => {
  const add = ['warehouse', 'add', 'retail']

  test('with a password in the URL would show it to everyone on the machine', async () => {
    using here = new Place()
    const seen = await here.run([...add, server.url])
    expectError(
      seen,
      'usage',
      'wharf: the URL holds a password, which everyone on this machine could see in the process list',
      'hint: leave it out of the URL and add --password-env NAME or --password-file PATH',
    )
  })

  test('twice changes nothing', async () => {
    using here = new Place()
    const url = `postgresql://postgres@127.0.0.1:${server.port}/postgres`
    here.variables['RETAIL_PASSWORD'] = server.password
    const first = await here.run([...add, url, '--password-env', 'RETAIL_PASSWORD'])
    assert.equal(first.code, 0, first.err)
    const before = readFileSync(here.path('home', 'wharf.yaml'), 'utf8')
    assert.ok(!before.includes(server.password))
    expectError(
      await here.run([...add, url]),
      'failed',
      'wharf: <folder>/home/wharf.yaml already declares a warehouse "retail"',
      'hint: choose another name, or first: wharf warehouse remove retail',
    )
    assert.equal(readFileSync(here.path('home', 'wharf.yaml'), 'utf8'), before)
  })
})

describe('wrong password', () => {
  test('in the URL; it is not shown', async () => {
    using here = await place(server.urlFor({ password: 'hunter2' }))
    const seen = await here.run(['backup', 'run', 'retail'])
    expectError(
      seen,
      'denied',
      `wharf: warehouse "retail" refused the password of user "postgres" at 127.0.0.1:${server.port}`,
      'hint: check that the role exists (wharf warehouse grants prints it), its password, and where that comes from: password, password_file or the URL in wharf.yaml',
    )
    const json = await here.run(['backup', 'run', 'retail', '--json'])
    assert.equal((JSON.parse(json.out) as { error: { code: string } }).error.code, 'warehouse.wrong-password')
    assert.ok(!`${seen.err}${json.out}${json.err}`.includes('hunter2'))
  })

  test('not given at all', async () => {
    using here = await place(`postgresql://postgres@127.0.0.1:${server.port}/postgres`)
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'denied',
      'wharf: warehouse "retail" asks for a password of user "postgres" and none is given',
      'hint: set password: ${env:NAME} or ${file:PATH}, or password_file: PATH, for this warehouse in wharf.yaml',
    )
  })

  test('of a repository', async () => {
    using here = new Place()
    const declared = (name: string): string =>
      `repositories:\n  main:\n    path: repository\n    encryption: { passphrase: "\${env:${name}}" }\n`
    Object.assign(here.variables, {
      RIGHT_PASSPHRASE: 'correct horse battery',
      WRONG_PASSPHRASE: 'incorrect horse battery',
    })
    here.configure(declared('RIGHT_PASSPHRASE'))
    assert.equal((await here.run(['repository', 'init'])).code, 0)
    here.configure(declared('WRONG_PASSPHRASE'))
    const seen = await here.run(['repository', 'show', 'main'])
    expectError(
      seen,
      'denied',
      'wharf: the passphrase does not open the repository at file:<folder>/repository',
      'hint: check the passphrase in the encryption section of wharf.yaml; a trailing space or line feed in its file counts',
    )
    here.configure(declared('NO_PASSPHRASE_AT_ALL_HERE'))
    expectError(
      await here.run(['repository', 'show', 'main']),
      'configuration',
      'wharf: <folder>/wharf.yaml:4:31: the environment variable NO_PASSPHRASE_AT_ALL_HERE is not set',
      'hint: set it for the user that runs wharf',
    )
  })
})

test('wrong version', async () => {
  await using old = await startOldServer('14.9')
  using here = await place(`postgresql://u@127.0.0.1:${old.port}/d`)
  expectError(
    await here.run(['backup', 'run', 'retail']),
    'environment',
    'wharf: warehouse "retail" runs PostgreSQL 14.9, which is not supported',
    'hint: this release works with PostgreSQL 15, 16, 17 and 18',
  )
})

describe('wrong directory', () => {
  test('a repository that was never made', async () => {
    using here = new Place()
    here.configure(yaml(server.url))
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'unreachable',
      'wharf: cannot reach file:<folder>/repository: no such folder',
      'hint: check that the file system is mounted and the path is right; if it was never made: wharf repository init',
    )
  })

  test('a repository that is a file', async () => {
    using here = new Place()
    here.configure(yaml(server.url, 'file'))
    writeFileSync(here.path('file'), '')
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'configuration',
      'wharf: file:<folder>/file is not a folder',
      'hint: the path of a repository names a folder of its own',
    )
  })

  test('a folder that holds something else', async () => {
    using here = new Place()
    here.configure(yaml(server.url, 'other'))
    mkdirSync(here.path('other'))
    writeFileSync(here.path('other', 'letter.txt'), '')
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'environment',
      'wharf: there is no repository at file:<folder>/other',
      'hint: create it with: wharf repository init',
    )
    expectError(
      await here.run(['repository', 'init']),
      'failed',
      'wharf: file:<folder>/other is not empty: it holds letter.txt',
      'hint: a repository is created in a folder of its own; name an empty or new one',
    )
  })
})

test('a recovery into a folder that is not empty leaves it as it is', async () => {
  using here = await place(server.url)
  const backup = await here.run(['backup', 'run', 'retail', '--quiet', '--log-level', 'error'])
  assert.equal(backup.code, 0, backup.err)
  mkdirSync(here.path('full'))
  writeFileSync(here.path('full', 'letter.txt'), 'dear')
  const seen = await here.run(['recover', 'run', 'retail', '--latest', '--to-directory', here.path('full'), '--quiet'])
  expectError(
    seen,
    'failed',
    'wharf: <folder>/full is not empty (letter.txt)',
    'hint: name a folder that does not exist yet, or empty this one yourself',
  )
  assert.deepEqual(readdirSync(here.path('full')), ['letter.txt'])
})

test('disk full', async (t) => {
  if (!requirement(t, 'mount')) return
  using here = new Place()
  mkdirSync(here.path('small'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', here.path('small')])
  try {
    here.configure(yaml(server.url, 'small/repository'))
    assert.equal((await here.run(['repository', 'init'])).code, 0)
    const seen = await here.run(['backup', 'run', 'retail', '--quiet', '--json'])
    const { error } = JSON.parse(seen.out) as { error: { code: string; message: string; hint: string } }
    assert.equal(error.code, 'repository.full')
    assert.match(error.message, /^no space left to write [\w/.-]+ in file:\/.*\/small\/repository$/)
    assert.equal(
      error.hint,
      'free space on that file system (or raise the quota); what was written so far of this object is removed',
    )
    assert.equal(seen.code, exitCodes.failed)
    const { backups } = JSON.parse((await here.run(['backup', 'list', '--json'])).out) as {
      backups: { state: string }[]
    }
    assert.ok(backups.every((backup) => backup.state !== 'complete'))
  } finally {
    execFileSync('umount', [here.path('small')])
  }
})

describe('missing right', () => {
  test('in the warehouse', async () => {
    using here = await place(server.urlFor({ user: 'weak', password: 'weak' }))
    expectError(
      await here.run(['backup', 'run', 'retail']),
      'denied',
      'wharf: role weak lacks what a backup of warehouse retail needs: pg_monitor, pg_backup_start, pg_backup_stop',
      'hint: as superuser: GRANT pg_monitor TO weak; GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean) TO weak; GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_stop(boolean) TO weak;',
    )
  })

  test('to the folder of the repository', async (t) => {
    if (process.getuid?.() === 0 && !requirement(t, 'root')) return
    using here = await place(server.url)
    chmodSync(here.path('repository'), 0)
    const seen = await here.run(['repository', 'show', 'main'], { asOther: true })
    chmodSync(here.path('repository'), 0o700)
    expectError(
      seen,
      'denied',
      'wharf: no right to read format in file:<folder>/repository',
      'hint: the user that runs wharf must own the folder of the repository (mode 0700)',
    )
  })

  test('to the home folder', async () => {
    using here = new Place()
    mkdirSync(here.path('locked'), { mode: 0o500 })
    const seen = await here.run(['doctor', '--json', '--home', here.path('locked', 'home')], { asOther: true })
    const { checks } = JSON.parse(seen.out) as {
      checks: { name: string; state: string; message: string; hint: string }[]
    }
    const home = checks.find((check) => check.name === 'home')!
    assert.equal(home.state, 'failed')
    assert.match(home.message, /locked\/home cannot be written by \S+: permission denied$/)
    assert.equal(home.hint, 'name another folder with --home or WHARF_HOME')
    assert.equal(seen.code, exitCodes.findings)
  })
})

test('taken port', async (t) => {
  const taker = createServer()
  t.after(() => taker.close())
  await new Promise<void>((resolve) => taker.listen(0, '127.0.0.1', resolve))
  const { port } = taker.address() as { port: number }
  using here = new Place()
  here.configure(`server:\n  listen: 127.0.0.1:${port}\n`)
  expectError(
    await here.run(['up', '--log-level', 'silent']),
    'busy',
    `wharf: cannot listen on 127.0.0.1 port ${port}: another program holds it`,
    'hint: stop the other program (another "wharf up"?), or set another address: server: {listen: "127.0.0.1:7781"} in wharf.yaml',
  )
})

describe('unreadable configuration', () => {
  test('without the right to read it', async () => {
    using here = new Place()
    here.configure('server: {}\n')
    chmodSync(here.path('wharf.yaml'), 0)
    expectError(
      await here.run(['status'], { asOther: true }),
      'configuration',
      'wharf: cannot read the configuration file <folder>/wharf.yaml: permission denied',
      'hint: the user that runs wharf needs the right to read it, and it must be a file',
    )
  })

  test('that is a folder, or not there', async () => {
    using here = new Place()
    expectError(
      await here.run(['status', '--config', here.folder]),
      'configuration',
      'wharf: cannot read the configuration file <folder>: it is a directory',
      'hint: the user that runs wharf needs the right to read it, and it must be a file',
    )
    expectError(
      await here.run(['status', '--config', 'none.yaml']),
      'configuration',
      'wharf: there is no configuration file <folder>/none.yaml (named by --config)',
      'hint: check the path; without --config and WHARF_CONFIG the files ./wharf.yaml and <home>/wharf.yaml are looked for',
    )
  })

  test('with mistakes in several places', async () => {
    using here = new Place()
    here.configure('warehouses:\n  retail: { ulr: x }\nrepositries: {}\n')
    const { err, code } = await here.run(['status'])
    assert.equal(code, exitCodes.configuration)
    assert.ok(
      err.includes('<folder>/wharf.yaml:2:13: unknown key "ulr" in warehouses.retail (did you mean "url"?)'),
      err,
    )
    assert.ok(err.includes('<folder>/wharf.yaml:3:1: unknown key "repositries" (did you mean "repositories"?)'), err)
  })
})

test('up runs until it is told to stop, and stops cleanly', async () => {
  using here = new Place()
  here.configure('server:\n  listen: 127.0.0.1:0\n')
  const { code, out, err } = await here.run(['up'], { stopOn: 'console: http://' })
  assert.equal(code, 0, err)
  assert.equal(out, 'stopped\n')
  assert.match(err, /console: http:\/\/127\.0\.0\.1:\d+\n/)
})
