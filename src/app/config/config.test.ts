import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { z } from 'zod'

import { declaredName, duration, secret, size, whole } from '../../base/config-types.ts'
import { processEnvironment } from '../../base/environment.ts'
import { isWharfError } from '../../base/errors.ts'
import type { ConfigSection } from '../../base/room.ts'
import type { Secret } from '../../base/secret.ts'
import { explainConfig, formatExplained } from './explain.ts'
import { formatFinding } from './findings.ts'
import { configJsonSchema } from './json-schema.ts'
import { defaultSections, examineConfig, loadConfig } from './load.ts'
import { findConfig, readConfigAt } from './source.ts'

const folder = mkdtempSync(join(tmpdir(), 'wharf-config-'))
after(() => rmSync(folder, { recursive: true }))

const environment = {
  ...processEnvironment(),
  variables: { WAREHOUSE_URL: 'postgresql://u:pw@h/d', PASSPHRASE: 'open sesame' },
}

const warehouses: ConfigSection<Record<string, { url: string }>> = {
  key: 'warehouses',
  schema: z
    .record(
      declaredName(),
      z.strictObject({
        url: z.string().describe('where the server is'),
        lag: duration().prefault('15m'),
        kind: z.enum(['node', 'citus']).default('node'),
        slots: whole(1, 64).optional(),
        labels: z.array(z.string()).default([]),
        wal: z.strictObject({ chunk: size().prefault('16MB'), keep: z.boolean().default(true) }).prefault({}),
      }),
    )
    .default({}),
}
const repositories: ConfigSection<Record<string, { warehouse: string }>> = {
  key: 'repositories',
  schema: z
    .record(
      z.string(),
      z.object({
        store: z.discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('file'), path: z.string() }),
          z.strictObject({ kind: z.literal('bucket'), bucket: z.string() }),
        ]),
        passphrase: secret().optional(),
        when: z.union([z.string(), z.strictObject({ after: z.string() })]).optional(),
        warehouse: z.string(),
      }),
    )
    .default({}),
  check: (value, all) =>
    Object.entries(value).flatMap(([name, one]) => {
      const known = Object.keys(all['warehouses'] as object)
      if (known.includes(one.warehouse)) return []
      return [
        {
          path: ['repositories', name, 'warehouse'],
          message: `there is no warehouse "${one.warehouse}"`,
          hint: `known: ${known.join(', ')}`,
        },
      ]
    }),
}
const declared = [warehouses, repositories] as readonly ConfigSection[]

function findings(text: string): readonly string[] {
  return examineConfig({ file: 'wharf.yaml', text }, declared, environment).findings.map(formatFinding)
}

test('an empty file and none give the defaults', () => {
  assert.deepEqual(loadConfig({ file: 'wharf.yaml', text: undefined }, declared, environment).sections, {
    warehouses: {},
    repositories: {},
  })
  assert.deepEqual(loadConfig({ file: 'wharf.yaml', text: '# nothing\n' }, declared, environment).sections, {
    warehouses: {},
    repositories: {},
  })
  assert.deepEqual(loadConfig({ file: 'wharf.yaml', text: 'warehouses:\n' }, declared, environment).sections, {
    warehouses: {},
    repositories: {},
  })
  assert.deepEqual(defaultSections(declared), { warehouses: {}, repositories: {} })
})

test('a sound file is read with units and defaults', () => {
  const { sections } = loadConfig(
    { file: 'wharf.yaml', text: 'warehouses:\n  retail:\n    url: ${env:WAREHOUSE_URL}\n    lag: 1h\n' },
    declared,
    environment,
  )
  assert.deepEqual(sections['warehouses'], {
    retail: {
      url: 'postgresql://u:pw@h/d',
      lag: 3_600_000,
      kind: 'node',
      labels: [],
      wal: { chunk: 16 * 1024 * 1024, keep: true },
    },
  })
})

test('all findings are gathered, in order, with line, column and the nearest key', () => {
  const text = [
    'warehuoses: {}',
    'warehouses:',
    '  retail:',
    '    lga: 5',
    '    lag: 15',
    '    kind: nod',
    '    slots: 65',
    '    wal: { chunk: 16, kep: true }',
    '  Sales: { url: x }',
    'repositories:',
    '  main:',
    '    warehouse: retail',
    '    store: { kind: fil, path: /b }',
    '    passphrse: x',
  ].join('\n')
  assert.deepEqual(findings(text), [
    'wharf.yaml:1:1: unknown key "warehuoses" (did you mean "warehouses"?)',
    'wharf.yaml:3:3: "url" is missing in warehouses.retail (where the server is)',
    'wharf.yaml:4:5: unknown key "lga" in warehouses.retail (did you mean "lag"?)',
    'wharf.yaml:5:10: "lag" must be a text, not 15',
    'wharf.yaml:6:11: "nod" is not one of node, citus (did you mean "node"?)',
    'wharf.yaml:7:12: "slots" is too large: 65, the most is 64',
    'wharf.yaml:8:19: "chunk" must be a text, not 16',
    'wharf.yaml:8:23: unknown key "kep" in warehouses.retail.wal (did you mean "keep"?)',
    'wharf.yaml:9:3: a name is lower case letters, digits, _ and -, starts with a letter and has at most 48 characters',
    'wharf.yaml:13:20: "fil" is not one of file, bucket (did you mean "file"?)',
    'wharf.yaml:14:5: unknown key "passphrse" in repositories.main (did you mean "passphrase"?)',
  ])
})

test('unions: what was meant decides what is said', () => {
  const entry = (line: string): string =>
    `warehouses: { a: { url: x } }\nrepositories:\n  main:\n    warehouse: a\n    store: { kind: file, path: /b }\n    ${line}`
  assert.deepEqual(findings(entry('when: { aftr: x }')), [
    'wharf.yaml:6:5: "after" is missing in repositories.main.when',
    'wharf.yaml:6:13: unknown key "aftr" in repositories.main.when (did you mean "after"?)',
  ])
  assert.deepEqual(findings(entry('when: 5')), ['wharf.yaml:6:11: "when" has a value of a kind that is not allowed: 5'])
})

test('dangling names are found at the name', () => {
  const text =
    'warehouses: { a: { url: x } }\nrepositories:\n  main:\n    store: { kind: file, path: /b }\n    warehouse: b\n'
  assert.deepEqual(findings(text), ['wharf.yaml:5:16: there is no warehouse "b" (known: a)'])
})

test('references: only env and file, errors name the place', () => {
  writeFileSync(join(folder, 'url.txt'), 'postgresql://h/d\n')
  const load = (url: string): readonly string[] =>
    examineConfig(
      { file: join(folder, 'wharf.yaml'), text: `warehouses:\n  a:\n    url: "${url}"\n` },
      declared,
      environment,
    ).findings.map((one) => formatFinding(one).replaceAll(folder, '.'))
  assert.deepEqual(load('${file:url.txt}'), [])
  assert.deepEqual(load('x$${y}'), [])
  assert.deepEqual(load('${env:WAREHOUSE_URI}'), [
    './wharf.yaml:3:10: the environment variable WAREHOUSE_URI is not set (did you mean WAREHOUSE_URL?)',
  ])
  assert.deepEqual(load('${file:none.txt}'), [
    './wharf.yaml:3:10: cannot read the file ./none.txt: it does not exist (paths are relative to the folder of the configuration file)',
  ])
  assert.deepEqual(load('${HOME}'), [
    './wharf.yaml:3:10: unknown reference "${HOME}" (only ${env:NAME} and ${file:PATH} are known; write $${ for a literal ${)',
  ])
  assert.deepEqual(load('${cmd:id}'), [
    './wharf.yaml:3:10: unknown reference "${cmd:id}" (only ${env:NAME} and ${file:PATH} are known; write $${ for a literal ${)',
  ])
  assert.deepEqual(load('${env:X'), ['./wharf.yaml:3:10: a reference is not closed: "}" is missing'])
})

test('a referenced value never becomes structure', () => {
  const tricky = { ...environment, variables: { X: 'a: {b: 1}\n${env:PASSPHRASE}' } }
  const { sections } = loadConfig(
    { file: 'wharf.yaml', text: 'warehouses: { a: { url: "${env:X}" } }' },
    declared,
    tricky,
  )
  assert.equal((sections['warehouses'] as Record<string, { url: string }>)['a']?.url, 'a: {b: 1}\n${env:PASSPHRASE}')
})

test('a secret in clear is refused and not shown', () => {
  const text = (passphrase: string): string =>
    `warehouses: { a: { url: x } }\nrepositories:\n  main:\n    store: { kind: file, path: /b }\n    warehouse: a\n    passphrase: ${passphrase}\n`
  assert.deepEqual(findings(text('hunter2')), [
    'wharf.yaml:6:17: the secret "passphrase" stands in the file in clear (write ${env:NAME} or ${file:PATH} instead)',
  ])
  const { sections } = loadConfig({ file: 'wharf.yaml', text: text('${env:PASSPHRASE}') }, declared, environment)
  const { passphrase } = (sections['repositories'] as Record<string, { passphrase: Secret }>)['main']!
  assert.equal(passphrase.reveal(), 'open sesame')
})

test('broken YAML is one finding with its place', () => {
  assert.deepEqual(findings('warehouses:\n  a: [1, 2\n'), [
    'wharf.yaml:3:1: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]',
  ])
  assert.deepEqual(findings('warehouses: {}\nwarehouses: {}\n'), [
    'wharf.yaml:2:1: not valid YAML: map keys must be unique',
  ])
  assert.deepEqual(findings('- a\n'), ['wharf.yaml:1:1: the configuration must be a mapping of keys to values'])
})

test('one error carries all findings; a single one has its place and hint', () => {
  const load = (text: string): unknown => {
    try {
      return loadConfig({ file: 'wharf.yaml', text }, declared, environment)
    } catch (error) {
      return error
    }
  }
  const one = load('warehuoses: {}')
  assert.ok(isWharfError(one, 'config.invalid'))
  assert.equal(one.message, 'unknown key "warehuoses"')
  assert.equal(one.hint, 'did you mean "warehouses"?')
  assert.deepEqual(one.place, { file: 'wharf.yaml', line: 1, column: 1 })
  const two = load('warehuoses: {}\nrepositoris: {}')
  assert.ok(isWharfError(two, 'config.invalid'))
  assert.equal(
    two.message,
    '2 errors in the configuration\n  wharf.yaml:1:1: unknown key "warehuoses" (did you mean "warehouses"?)\n  wharf.yaml:2:1: unknown key "repositoris" (did you mean "repositories"?)',
  )
})

test('explain: each value with its source, secrets and passwords hidden', () => {
  const text =
    'warehouses:\n  a:\n    url: postgresql://u:pw@h/d\n    lag: 90m\nrepositories:\n  main:\n    store: { kind: file, path: /b }\n    warehouse: a\n    passphrase: ${env:PASSPHRASE}\n'
  const loaded = loadConfig({ file: 'wharf.yaml', text }, declared, environment)
  const shown = formatExplained(explainConfig(loaded, declared))
  assert.deepEqual(
    shown.split('\n').map((line) => line.replaceAll(/ +#/g, ' #')),
    [
      'warehouses.a.url: postgresql://u:***@h/d # wharf.yaml:3:10',
      'warehouses.a.lag: 90m # wharf.yaml:4:10',
      'warehouses.a.kind: node # default',
      'warehouses.a.labels: [] # default',
      'warehouses.a.wal.chunk: 16MB # default',
      'warehouses.a.wal.keep: true # default',
      'repositories.main.store.kind: file # wharf.yaml:7:20',
      'repositories.main.store.path: /b # wharf.yaml:7:32',
      'repositories.main.passphrase: ${env:PASSPHRASE} # wharf.yaml:9:17',
      'repositories.main.warehouse: a # wharf.yaml:8:16',
    ],
  )
})

test('the JSON Schema names every section and refuses other keys', () => {
  const schema = configJsonSchema(declared) as {
    properties: Record<string, unknown>
    additionalProperties: boolean
    required?: unknown
  }
  assert.deepEqual(Object.keys(schema.properties), ['warehouses', 'repositories'])
  assert.equal(schema.additionalProperties, false)
  assert.equal(schema.required, undefined)
})

test('the search: --config, WHARF_CONFIG, ./wharf.yaml, <home>/wharf.yaml', async () => {
  const home = mkdtempSync(join(folder, 'home-'))
  const here = mkdtempSync(join(folder, 'here-'))
  const search = { environment: { ...environment, variables: {} }, folder: here, home, option: undefined }
  assert.deepEqual(await findConfig(search), { file: join(home, 'wharf.yaml'), text: undefined })
  writeFileSync(join(home, 'wharf.yaml'), 'home')
  assert.equal((await findConfig(search)).text, 'home')
  writeFileSync(join(here, 'wharf.yaml'), 'here')
  assert.equal((await findConfig(search)).text, 'here')
  writeFileSync(join(here, 'variable.yaml'), 'variable')
  const named = { ...search, environment: { ...environment, variables: { WHARF_CONFIG: 'variable.yaml' } } }
  assert.equal((await findConfig(named)).text, 'variable')
  writeFileSync(join(here, 'option.yaml'), 'option')
  assert.deepEqual(await findConfig({ ...named, option: 'option.yaml' }), {
    file: join(here, 'option.yaml'),
    text: 'option',
  })
})

test('a configuration that was named must be there and readable', async () => {
  const search = { environment: { ...environment, variables: {} }, folder, home: folder, option: '/nowhere/wharf.yaml' }
  await assert.rejects(findConfig(search), (error) => {
    assert.ok(isWharfError(error, 'config.not-there'))
    assert.equal(error.message, 'there is no configuration file /nowhere/wharf.yaml (named by --config)')
    assert.equal(
      error.hint,
      'check the path; without --config and WHARF_CONFIG the files ./wharf.yaml and <home>/wharf.yaml are looked for',
    )
    return true
  })
  await assert.rejects(findConfig({ ...search, option: folder }), (error) => {
    assert.ok(isWharfError(error, 'config.unreadable'))
    assert.equal(error.message, `cannot read the configuration file ${folder}: it is a directory`)
    return true
  })
  assert.deepEqual(await readConfigAt(join(folder, 'wharf.yaml'), folder), {
    file: join(folder, 'wharf.yaml'),
    text: undefined,
  })
})

test('a value whose reference cannot be resolved is one finding, whatever it should have been', () => {
  const text =
    'warehouses: { a: { url: x, lag: "${env:NONE}" } }\nrepositories:\n  main:\n    store: { kind: file, path: /b }\n    warehouse: a\n    passphrase: ${env:NONE}\n'
  assert.deepEqual(findings(text), [
    'wharf.yaml:1:33: the environment variable NONE is not set (set it for the user that runs wharf)',
    'wharf.yaml:6:17: the environment variable NONE is not set (set it for the user that runs wharf)',
  ])
})
