// The OpenAPI document of all operations of all rooms, held against the operations themselves.
import assert from 'node:assert/strict'
import { test } from 'node:test'

// A dependency of fastify: an independent reader of JSON Schema.
import { Ajv2020 } from 'ajv/dist/2020.js'

import { rooms } from '../../src/app/rooms.ts'
import type { AnyOperation } from '../../src/base/operation.ts'
import type { Context } from '../../src/base/room.ts'
import { openApi } from '../../src/server/http/openapi.ts'
import { methodOf, operationsOf, pathOf } from '../../src/server/http/operations.ts'

interface Endpoint {
  readonly operationId: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: object
  }[]
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: object } } }
  readonly responses: Readonly<
    Record<string, { readonly content?: { readonly 'application/json': { readonly schema: object } } }>
  >
}
interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Endpoint>>>>
  readonly components: object
}

const operations = operationsOf({ rooms } as unknown as Context)
const document = JSON.parse(JSON.stringify(openApi(operations, '0.0.0'))) as Document
const endpointOf = (operation: AnyOperation) => document.paths[pathOf(operation)]?.[methodOf(operation).toLowerCase()]

test('every operation has exactly one endpoint of its own, and ids are unique', () => {
  assert.equal(Object.keys(document.paths).length, operations.length)
  const ids = operations.map((one) => endpointOf(one)?.operationId)
  assert.equal(new Set(ids).size, operations.length)
  assert.ok(!ids.includes(undefined))
  assert.ok(operations.every((one) => one.only !== 'command-line'))
})

/** The input as one object schema, from query parameters or from the body. */
function inputOf(endpoint: Endpoint): object {
  if (endpoint.requestBody) return endpoint.requestBody.content['application/json'].schema
  const query = endpoint.parameters.filter((one) => one.in === 'query')
  return {
    type: 'object',
    properties: Object.fromEntries(query.map((one) => [one.name, one.schema])),
    required: query.filter((one) => one.required).map((one) => one.name),
  }
}

test('all schemas compile, and what they say of an empty input is what the operation says', () => {
  for (const operation of operations) {
    const endpoint = endpointOf(operation)!
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    const isValid = ajv.compile(inputOf(endpoint))
    assert.equal(isValid({}), operation.input.safeParse({}).success, operation.name)
    for (const { content } of Object.values(endpoint.responses)) {
      const schema = content?.['application/json'].schema
      if (schema) ajv.compile({ ...schema, components: document.components })
    }
  }
})

test('required fields of the document are those that the operation refuses to miss', () => {
  for (const operation of operations) {
    const { required = [] } = inputOf(endpointOf(operation)!) as { required?: readonly string[] }
    const refused = operation.input.safeParse({}).error?.issues.map((one) => String(one.path[0])) ?? []
    for (const name of required) assert.ok(refused.includes(name), `${operation.name}: ${name}`)
  }
})
