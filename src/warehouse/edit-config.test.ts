import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { silentLog } from '../base/log.ts'
import type { OperationContext } from '../base/operation.ts'
import type { Warehouses } from './contract.ts'
import { warehouseAdd } from './operations/add.ts'
import { warehouseRemove } from './operations/remove.ts'

const signal = new AbortController().signal
const noDefaults = { repository: [], managed: false }

async function inFile(
  text: string | undefined,
  work: (context: OperationContext, file: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-edit-'))
  try {
    const file = join(folder, 'wharf.yaml')
    if (text !== undefined) await writeFile(file, text, { mode: 0o640 })
    const known: Warehouses = {
      list: () => [{ name: 'retail', url: '', repositories: [], optionalRepositories: [], managed: false }],
      get: () => assert.fail(),
    }
    await work(
      { configFile: file, log: silentLog, use: () => Promise.resolve(known) } as unknown as OperationContext,
      file,
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

const before = `# our warehouses
warehouses:
  # the old one
  old:
    url: postgresql://u@h/d # keep this
repositories:
  main: { path: /backups }
`

test('adding keeps comments, order and mode', async () => {
  await inFile(before, async (context, file) => {
    const url = 'postgresql://wharf@dw1/retail'
    await warehouseAdd.run(
      { ...noDefaults, name: 'retail', url, passwordEnv: 'PW', repository: ['main'] },
      context,
      signal,
    )
    assert.equal(
      await readFile(file, 'utf8'),
      `# our warehouses
warehouses:
  # the old one
  old:
    url: postgresql://u@h/d # keep this
  retail:
    url: postgresql://wharf@dw1/retail
    password: \${env:PW}
    repositories:
      - main
repositories:
  main: { path: /backups }
`,
    )
    assert.equal((await stat(file)).mode & 0o777, 0o640)
    await warehouseRemove.run({ name: 'retail' }, context, signal)
    assert.equal(await readFile(file, 'utf8'), before)
  })
})

test('a file is made where there is none, and the section goes with its last entry', async () => {
  await inFile(undefined, async (context, file) => {
    await warehouseAdd.run({ ...noDefaults, name: 'retail', managed: true }, context, signal)
    assert.equal(await readFile(file, 'utf8'), 'warehouses:\n  retail:\n    managed: true\n')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await warehouseRemove.run({ name: 'retail' }, context, signal)
    assert.equal(await readFile(file, 'utf8'), '{}\n')
  })
})

test('what cannot be added leaves the file as it was', async () => {
  await inFile(before, async (context, file) => {
    const add = (input: object): Promise<unknown> =>
      warehouseAdd.run({ ...noDefaults, name: 'retail', ...input }, context, signal)
    const cases: readonly (readonly [object, string, string])[] = [
      [
        { name: 'new', url: 'postgresql://u@h/d', repository: ['mian'] },
        'warehouse.bad-entry',
        'warehouse "new" cannot be declared like this: no repository is called "mian"',
      ],
      [{ name: 'old', url: 'postgresql://u@h/d' }, 'warehouse.exists', `${file} already declares a warehouse "old"`],
      [
        { url: 'postgresql://u:pw@h/d' },
        'warehouse.password-on-command-line',
        'the URL holds a password, which everyone on this machine could see in the process list',
      ],
      [{}, 'warehouse.nothing-to-add', 'neither a URL nor --managed is given for warehouse "retail"'],
      [
        { url: 'http://h' },
        'warehouse.bad-url',
        'not a connection URL: it starts with "http://" instead of "postgresql://"',
      ],
      [
        { url: 'postgresql://u@h/d', passwordEnv: 'A', passwordFile: 'b' },
        'warehouse.bad-entry',
        'warehouse "retail" cannot be declared like this: both password and password_file are given',
      ],
      [
        { name: 'Re tail', url: 'postgresql://u@h/d' },
        'warehouse.bad-entry',
        'warehouse "Re tail" cannot be declared like this: a name is lower case letters, digits, _ and -, starts with a letter and has at most 48 characters',
      ],
    ]
    for (const [input, code, message] of cases) await assert.rejects(add(input), { code, message })
    assert.equal(await readFile(file, 'utf8'), before)
  })
})

test('a warehouse that is still named elsewhere, an unknown one and a broken file are refused', async () => {
  const used = `warehouses:\n  retail: { managed: true }\npipelines:\n  day: { warehouse: retail }\n`
  await inFile(used, async (context, file) => {
    await assert.rejects(warehouseRemove.run({ name: 'retail' }, context, signal), {
      code: 'warehouse.in-use',
      message: 'warehouse "retail" is still named by pipelines.day.warehouse in wharf.yaml',
    })
    await assert.rejects(warehouseRemove.run({ name: 'retial' }, context, signal), {
      code: 'warehouse.unknown',
      message: 'no warehouse is called "retial"',
      hint: 'did you mean "retail"?',
    })
    assert.equal(await readFile(file, 'utf8'), used)
    await writeFile(file, 'a: [1')
    await assert.rejects(warehouseRemove.run({ name: 'retail' }, context, signal), { code: 'config.not-editable' })
  })
})
