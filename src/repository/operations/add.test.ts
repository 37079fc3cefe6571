import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import type { OperationContext } from '../../base/operation.ts'
import { add } from './add.ts'

test('a repository is declared with a key file, a passphrase or neither, and never twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-add-'))
  try {
    const file = join(folder, 'wharf.yaml')
    const context = { configFile: file, home: '/home/wharf' } as unknown as OperationContext
    const run = (input: object): Promise<unknown> =>
      add.run({ encryption: true, folder: '/backups', name: 'main', ...input }, context, new AbortController().signal)
    await assert.rejects(run({ keyFile: '/k', passphraseFile: '/p' }), {
      code: 'repository.one-key',
      message: 'more than one of --key-file, --passphrase-file and --no-encryption was given',
    })
    await run({})
    await run({ name: 'second', passphraseFile: '/p' })
    await run({ name: 'third', encryption: false })
    const declared = `repositories:
  main:
    path: /backups
    encryption:
      key_file: /home/wharf/keys/main.key
  second:
    path: /backups
    encryption:
      passphrase: \${file:/p}
  third:
    path: /backups
    encryption: none
`
    assert.equal(await readFile(file, 'utf8'), declared)
    await assert.rejects(run({ name: 'third' }), {
      code: 'repository.declared',
      message: `${file} already declares a repository "third"`,
    })
    assert.equal(await readFile(file, 'utf8'), declared)
  } finally {
    await rm(folder, { recursive: true })
  }
})
