import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import type { Manifest } from '../../repository/contract.ts'
import { writeLabels } from './small-files.ts'

for (const [folderMode, wanted] of [
  [0o700, 0o600],
  [0o750, 0o640],
] as const)
  test(`where folders have mode ${folderMode.toString(8)} files have ${wanted.toString(8)}, as the server makes them`, async (t) => {
    const root = await mkdtemp(join(tmpdir(), 'wharf-labels-'))
    t.after(() => rm(root, { recursive: true }))
    const manifest = {
      folders: [{ path: 'base', mode: folderMode }],
      olderImages: [],
      backupLabel: 'label',
    } as unknown as Manifest
    await writeLabels({ root, tablespaces: [] }, manifest, undefined)
    assert.equal((await stat(join(root, 'backup_label'))).mode & 0o777, wanted)
  })
