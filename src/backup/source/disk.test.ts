import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

import type { ListedEntry } from './cluster-files.ts'
import { diskFiles } from './disk.ts'
import { databaseFolder, isTemporaryRelation, parseSegmentPath } from './paths.ts'

const signal = new AbortController().signal
const options = { signal, versionFolder: 'PG_18_202506291', majorVersion: 18 }

const withCluster = async (
  files: Readonly<Record<string, string>>,
  check: (directory: string) => Promise<void>,
): Promise<void> => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'wharf-disk-')))
  try {
    await mkdir(join(directory, 'pg_tblspc'))
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), content)
    }
    await check(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

const listOf = async (directory: string): Promise<ListedEntry[]> => {
  const entries: ListedEntry[] = []
  for await (const entry of diskFiles(directory).list(options)) entries.push(entry)
  return entries
}
const paths = (entries: readonly ListedEntry[], kind: ListedEntry['kind']): string[] =>
  entries
    .filter((entry) => entry.kind === kind)
    .map((entry) => entry.path)
    .toSorted()

void test('the listing has what PostgreSQL would copy, and nothing else', async () => {
  const kept = {
    PG_VERSION: '18', 'postgresql.conf': '', 'postgresql.auto.conf': '', 'base/5/PG_VERSION': '', 'base/5/pg_filenode.map': '', 'base/5/1259': 'x',
    'base/5/1259_fsm': 'x', 'base/5/1259_vm': 'x', 'base/5/16390.1': 'x', 'global/1262': 'x', 'global/pg_filenode.map': '', 'pg_xact/0000': 'x',
    'pg_multixact/members/0000': 'x', 'pg_logical/replorigin_checkpoint': 'x', 'pg_twophase/000002F1': 'x', 'pg_stat/pgstat.stat': 'x', 'log/server.log': 'x',
    'base/5/16400_init': 'x', 'base/5/99999_initx': 'x', 'base/5/t3_': 'x',
  } // prettier-ignore
  const skipped = {
    'global/pg_control': 'x', 'postmaster.pid': '', 'postmaster.opts': '', backup_label: '', 'backup_label.old': '', tablespace_map: '',
    backup_manifest: '', 'backup_manifest.tmp': '', 'recovery.signal': '', 'standby.signal': '', 'postgresql.auto.conf.tmp': '',
    'current_logfiles.tmp': '', 'global/pg_internal.init': '', 'base/5/pg_internal.init.4711': '', 'base/pgsql_tmp/pgsql_tmp123.0': 'x',
    'base/5/t3_16500': 'x', 'base/5/t3_16500_fsm': 'x', 'base/5/t12_16500.1': 'x', 'pg_wal/000000010000000000000001': 'x',
    'pg_wal/archive_status/x.ready': '', 'pg_wal/summaries/x.summary': '', 'pg_replslot/slot/state': 'x', 'pg_dynshmem/mmap.1': '', 'pg_notify/0000': '',
    'pg_serial/0000': '', 'pg_snapshots/x': '', 'pg_stat_tmp/x': '', 'pg_subtrans/0000': '',
  } // prettier-ignore
  const unlogged = { 'base/5/16400': 'abc', 'base/5/16400_fsm': 'de', 'base/5/16400.1': 'f' }
  await withCluster({ ...kept, ...skipped, ...unlogged }, async (directory) => {
    const entries = await listOf(directory)
    assert.deepEqual(
      [...paths(entries, 'segment'), ...paths(entries, 'plain')].toSorted(),
      Object.keys(kept).toSorted(),
    )
    assert.deepEqual(paths(entries, 'segment'), [
      'base/5/1259',
      'base/5/1259_fsm',
      'base/5/1259_vm',
      'base/5/16390.1',
      'base/5/16400_init',
      'global/1262',
    ])
    assert.deepEqual(
      entries
        .filter((entry) => entry.kind === 'unlogged')
        .map(({ path, bytes }) => `${path} ${bytes}`)
        .toSorted(),
      ['base/5/16400 3', 'base/5/16400.1 1', 'base/5/16400_fsm 2'],
    )
    assert.deepEqual(paths(entries, 'folder'), [
      'base', 'base/5', 'global', 'log', 'pg_dynshmem', 'pg_logical', 'pg_multixact', 'pg_multixact/members', 'pg_notify', 'pg_replslot', 'pg_serial',
      'pg_snapshots', 'pg_stat', 'pg_stat_tmp', 'pg_subtrans', 'pg_tblspc', 'pg_twophase', 'pg_wal', 'pg_wal/archive_status', 'pg_wal/summaries', 'pg_xact',
    ]) // prettier-ignore
    assert.deepEqual(paths(entries, 'odd'), [])
  })
})

void test('tablespaces: own version only, linked and in place', async () => {
  await withCluster(
    { 'pg_tblspc/16400/PG_18_202506291/5/16401': 'x', 'pg_tblspc/16400/PG_17_202406281/5/16401': 'x' },
    async (directory) => {
      const elsewhere = await realpath(await mkdtemp(join(tmpdir(), 'wharf-space-')))
      try {
        for (const version of ['PG_18_202506291', 'PG_15_202209061']) {
          await mkdir(join(elsewhere, version, '5'), { recursive: true })
          await writeFile(join(elsewhere, version, '5', '16402'), 'y')
        }
        await mkdir(join(elsewhere, 'PG_18_202506291', 'pgsql_tmp'))
        await symlink(elsewhere, join(directory, 'pg_tblspc/16401'))
        const entries = await listOf(directory)
        assert.deepEqual(paths(entries, 'segment'), [
          'pg_tblspc/16400/PG_18_202506291/5/16401',
          'pg_tblspc/16401/PG_18_202506291/5/16402',
        ])
        assert.ok(paths(entries, 'folder').includes('pg_tblspc/16401/PG_18_202506291/5'))
        assert.deepEqual(await diskFiles(directory).tablespaces(signal), [
          { oid: 16400, name: '', location: undefined },
          { oid: 16401, name: '', location: elsewhere },
        ])
      } finally {
        await rm(elsewhere, { recursive: true })
      }
    },
  )
})

void test('nested and dangling tablespaces are refused', async () => {
  await withCluster({ 'inner/x': '' }, async (directory) => {
    const link = join(directory, 'pg_tblspc/16401')
    await symlink(join(directory, 'inner'), link)
    await assert.rejects(diskFiles(directory).tablespaces(signal), {
      code: 'backup.tablespace-inside',
      message: `tablespace 16401 at ${directory}/inner lies inside the data directory`,
    })
    await rm(link)
    await symlink('/nowhere/at/all', link)
    await assert.rejects(diskFiles(directory).tablespaces(signal), {
      code: 'backup.tablespace-missing',
      message: 'tablespace 16401 points to /nowhere/at/all, which does not exist',
    })
  })
  await withCluster({}, async (directory) => {
    const outer = await realpath(await mkdtemp(join(tmpdir(), 'wharf-space-')))
    try {
      await mkdir(join(outer, 'inner'))
      await symlink(outer, join(directory, 'pg_tblspc/16401'))
      await symlink(join(outer, 'inner'), join(directory, 'pg_tblspc/16402'))
      await assert.rejects(diskFiles(directory).tablespaces(signal), {
        code: 'backup.tablespace-inside',
        message: `tablespace 16402 at ${outer}/inner lies inside tablespace 16401`,
      })
    } finally {
      await rm(outer, { recursive: true })
    }
  })
})

void test('links: a file is followed, a folder of the user is named, one of PostgreSQL is refused', async () => {
  await withCluster({ 'outside/conf': 'x = 1', 'outside/db/1259': 'x', 'base/1/1259': 'x' }, async (directory) => {
    await symlink(join(directory, 'outside/conf'), join(directory, 'postgresql.conf'))
    await symlink(join(directory, 'outside'), join(directory, 'mine'))
    const entries = await listOf(directory)
    assert.ok(paths(entries, 'plain').includes('postgresql.conf'))
    assert.deepEqual(paths(entries, 'odd'), ['mine'])
    await symlink(join(directory, 'outside/db'), join(directory, 'base/5'))
    await assert.rejects(listOf(directory), {
      code: 'backup.odd-link',
      message: 'base/5 is a symbolic link to another place',
    })
  })
})

void test('a data directory that is not there is named', async () => {
  await assert.rejects(listOf('/nowhere/at/all'), {
    code: 'backup.no-directory',
    message: 'the data directory /nowhere/at/all does not exist on this host',
  })
})

void test('stat and read: what is not there is undefined, a short file gives a short buffer', async () => {
  await withCluster({ PG_VERSION: '18\n' }, async (directory) => {
    const files = diskFiles(directory)
    assert.equal((await files.stat('PG_VERSION'))?.bytes, 3)
    assert.equal(await files.stat('nothing'), undefined)
    assert.equal((await files.read('PG_VERSION', { offset: 1, length: 100 }))?.toString(), '8\n')
    assert.equal(await files.read('nothing', { offset: 0, length: 1 }), undefined)
  })
})

void test('names of relation files', () => {
  assert.deepEqual(databaseFolder('global'), { tablespace: 1664, database: 0 })
  assert.equal(databaseFolder('base'), undefined)
  assert.deepEqual(parseSegmentPath('pg_tblspc/16400/PG_18_202506291/5/16401_vm.2'), {
    file: { tablespace: 16400, database: 5, relfilenode: 16401 },
    fork: 'vm',
    segment: 2,
  })
  assert.deepEqual(parseSegmentPath('base/5/16401'), {
    file: { tablespace: 1663, database: 5, relfilenode: 16401 },
    fork: 'main',
    segment: 0,
  })
  for (const path of [
    'base/5/PG_VERSION',
    'base/5/16401_x',
    'base/5/16401.0',
    'base/5/016401',
    'pg_xact/0000',
    'base/5/x/16401',
    '16401',
  ]) {
    assert.equal(parseSegmentPath(path), undefined, path)
  }
  assert.equal(isTemporaryRelation('t3_16500_vm.1'), true)
  assert.equal(isTemporaryRelation('t3_x'), false)
})
