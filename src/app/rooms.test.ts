// What every room of the program must keep to so that command line, HTTP, schema and completion can be made from it.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { z } from 'zod'

import { declaredErrorCodes } from '../base/errors.ts'
import { fieldsOf } from '../base/schema.ts'
import { completionScript } from '../cli/completion.ts'
import { operationsOf } from '../cli/commands.ts'
import { commandSpec } from '../cli/options.ts'
import { configJsonSchema } from './config/json-schema.ts'
import { defaultSections, examineConfig, sectionsOf } from './config/load.ts'
import { rooms } from './rooms.ts'
import { processEnvironment } from '../base/environment.ts'

const operations = operationsOf(rooms)

test('rooms have different names', () => {
  assert.deepEqual(
    rooms.map((room) => room.name),
    [...new Set(rooms.map((room) => room.name))],
  )
})

for (const operation of operations) {
  test(`operation ${operation.name} can be offered everywhere`, () => {
    assert.match(operation.name, /^[a-z][a-z-]*( [a-z][a-z-]*)*$/)
    assert.ok(
      operation.summary.length > 0 && !operation.summary.endsWith('.'),
      'the summary is one line without a final stop',
    )
    assert.ok(fieldsOf(operation.input as z.ZodType), 'the input is an object')
    commandSpec(operation)
    z.toJSONSchema(operation.input as z.ZodType, { io: 'input', unrepresentable: 'any' })
    z.toJSONSchema(operation.output as z.ZodType, { io: 'output', unrepresentable: 'any' })
    for (const code of operation.errors) assert.match(code, /^[a-z]+(-[a-z]+)*\.[a-z0-9-]+$/)
  })
}

test('operations name errors that exist', () => {
  const named = operations.flatMap(({ name, errors }) => errors.map((code) => `${name}: ${code}`))
  assert.deepEqual(
    named.filter((line) => !declaredErrorCodes().has(line.split(': ')[1]!)),
    [],
  )
})

const groups = operations.flatMap(({ name }) =>
  name
    .split(' ')
    .slice(0, -1)
    .map((_, index, words) => words.slice(0, index + 1).join(' ')),
)

test('each word that more words follow is told by one room, and no other is', () => {
  const told = rooms.flatMap((room) => Object.keys(room.groups ?? {}))
  assert.deepEqual(told.toSorted(), [...new Set(groups)].toSorted())
})

test('no operation is called like a group of others', () => {
  assert.deepEqual(
    operations.filter(({ name }) => groups.includes(name)).map(({ name }) => name),
    [],
  )
})

test('sections of the configuration have different keys, defaults and a JSON Schema', () => {
  const declared = sectionsOf(rooms)
  const keys = declared.map((section) => section.key)
  assert.deepEqual(keys, [...new Set(keys)])
  assert.deepEqual(Object.keys(defaultSections(declared)), keys)
  assert.deepEqual(Object.keys((configJsonSchema(declared) as { properties: object }).properties), keys)
  const { findings } = examineConfig({ file: 'wharf.yaml', text: undefined }, declared, processEnvironment())
  assert.deepEqual(findings, [])
})

test('an unknown key is refused in every section, also where a schema is lenient', () => {
  const declared = sectionsOf(rooms)
  for (const section of declared.filter((one) => fieldsOf(one.schema))) {
    const { findings } = examineConfig(
      { file: 'wharf.yaml', text: `${section.key}:\n  zzzNotThere: 1\n` },
      declared,
      processEnvironment(),
    )
    assert.ok(
      findings.some((one) => one.message === `unknown key "zzzNotThere" in ${section.key}`),
      section.key,
    )
  }
})

test('completion scripts can be made', () => {
  for (const shell of ['bash', 'zsh', 'fish'] as const) assert.ok(completionScript(shell, rooms).length > 1000)
})

test('keys of the configuration are lower case words joined by _', () => {
  const keys: string[] = []
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    const { properties } = node as { properties?: object }
    if (properties !== undefined) keys.push(...Object.keys(properties))
    for (const child of Object.values(node)) visit(child)
  }
  visit(configJsonSchema(sectionsOf(rooms)))
  assert.ok(keys.length > 20)
  assert.deepEqual(
    keys.filter((key) => !/^[a-z0-9]+(_[a-z0-9]+)*$/.test(key)),
    [],
  )
})

test('summaries begin in lower case', () => {
  const wrong = operations.filter(({ summary }) => /^[A-Z][a-z ]/.test(summary)).map(({ name }) => name)
  assert.deepEqual(wrong, [])
})
