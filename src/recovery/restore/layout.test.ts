import assert from 'node:assert/strict'
import { test } from 'node:test'

import type { Manifest, ManifestTablespace } from '../../repository/contract.ts'
import { foldersOf, placeOf, placeTablespaces } from './layout.ts'

const spaces: readonly ManifestTablespace[] = [
  { oid: 16400, name: 'fast', location: '/srv/fast' },
  { oid: 16401, name: 'slow disk', location: '/srv/slow disk' },
  { oid: 16402, name: 'placed', location: undefined },
]
const place = (moves: Record<string, string>, original = false) =>
  placeTablespaces({ root: '/restore', tablespaces: spaces, moves, original })

test('a copy keeps all tablespaces inside unless told otherwise', () => {
  assert.deepEqual(
    place({}).tablespaces.map((one) => one.target),
    [{ kind: 'in-place' }, { kind: 'in-place' }, { kind: 'in-place' }],
  )
})

test('tablespaces are named by name, oid or old path', () => {
  const targets = place({ fast: '/new/a', '16401': '/new/b' }).tablespaces.map((one) => one.target)
  assert.deepEqual(targets, [{ kind: 'link', path: '/new/a' }, { kind: 'link', path: '/new/b' }, { kind: 'in-place' }])
  assert.deepEqual(place({ '/srv/slow disk': '/new/c' }).tablespaces[1]!.target, { kind: 'link', path: '/new/c' })
})

test('the original gets its paths back, except where a move says otherwise', () => {
  const targets = place({ fast: 'in-place' }, true).tablespaces.map((one) => one.target)
  assert.deepEqual(targets, [{ kind: 'in-place' }, { kind: 'link', path: '/srv/slow disk' }, { kind: 'in-place' }])
})

test('what cannot be is refused by name', () => {
  const cases: readonly (readonly [Record<string, string>, string])[] = [
    [{ quick: '/x' }, '--tablespace quick=/x: the backup has no tablespace quick'],
    [{ fast: 'x' }, '--tablespace fast=x: the new path is not absolute'],
    [{ fast: '/restore/x' }, '--tablespace fast=/restore/x: it overlaps with /restore'],
    [{ fast: '/x', 'slow disk': '/x/y' }, '--tablespace slow disk=/x/y: it overlaps with /x'],
    [{ fast: '/x', 'slow disk': '/x' }, '--tablespace slow disk=/x: it overlaps with /x'],
    [{ fast: '/' }, '--tablespace fast=/: it overlaps with /restore'],
    [{ toString: '/x' }, '--tablespace toString=/x: the backup has no tablespace toString'],
  ]
  for (const [moves, message] of cases) assert.throws(() => place(moves), { message })
})

test('paths lead to the tablespace, and never out of the target', () => {
  const layout = place({ fast: '/new/a' })
  assert.equal(placeOf(layout, 'base/5/16385.1'), '/restore/base/5/16385.1')
  assert.equal(placeOf(layout, 'pg_tblspc/16400/PG_18_202506291/5/7'), '/new/a/PG_18_202506291/5/7')
  assert.equal(placeOf(layout, 'pg_tblspc/16402/PG_18_202506291/5/7'), '/restore/pg_tblspc/16402/PG_18_202506291/5/7')
  for (const path of ['../etc/passwd', 'base/../../x', '/etc/passwd', '', 'a//b', './x', 'pg_tblspc/16400/../../x']) {
    assert.throws(() => placeOf(layout, path), { code: 'recovery.bad-manifest' }, path)
  }
})

test('all folders are made, parents first; a link is not one of them', () => {
  const layout = place({ fast: '/new/a' })
  const manifest = {
    postgresVersion: 180_004,
    folders: [
      { path: 'base', mode: 0o750 },
      { path: 'base/5', mode: 0o750 },
      { path: 'pg_tblspc/16400', mode: 0o750 },
      { path: 'pg_tblspc/16400/PG_18_x', mode: 0o777 },
    ],
    files: [{ path: 'pg_tblspc/16402/PG_18_x/5/7' }],
  } as unknown as Manifest
  const folders = foldersOf(layout, manifest)
  const paths = [...folders.keys()]
  assert.ok(!paths.includes('/restore/pg_tblspc/16400'))
  assert.equal(folders.get('/new/a/PG_18_x'), 0o750)
  assert.equal(folders.get('/restore/pg_tblspc/16402/PG_18_x/5'), 0o750)
  assert.equal(folders.get('/restore/pg_wal/summaries'), 0o750)
  for (const [index, path] of paths.entries()) {
    assert.ok(!paths.slice(0, index).some((earlier) => earlier.startsWith(`${path}/`)), path)
  }
})
