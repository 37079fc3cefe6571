// /openapi.json, made from the operations.
import type { AnyOperation } from '../../base/operation.ts'
import { statusOfExit } from './answers.ts'
import { inputSchema, outputSchema, type JsonSchema } from './input.ts'
import { methodOf, pathOf } from './operations.ts'

const errorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', description: 'Stable; for programs.' },
        message: { type: 'string' },
        hint: { type: 'string', description: 'What to try.' },
        at: { type: 'string', description: 'Where bad input stands.' },
      },
    },
  },
}

const runAccepted = {
  type: 'object',
  required: ['runId', 'created'],
  properties: { runId: { type: 'string' }, created: { type: 'boolean' } },
}

/** An OpenAPI 3.1 document of all operations. */
export function openApi(operations: readonly AnyOperation[], version: string): Readonly<Record<string, unknown>> {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Wharfinger',
      version,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: describeErrors(),
    },
    security: [{ session: [] }],
    paths: Object.fromEntries(operations.map((one) => [pathOf(one), { [methodOf(one).toLowerCase()]: endpoint(one) }])),
    components: {
      schemas: { Error: errorSchema, RunAccepted: runAccepted },
      securitySchemes: {
        session: { type: 'apiKey', in: 'cookie', name: 'wharf', description: 'From POST /api/session.' },
      },
    },
  }
}

function describeErrors(): string {
  const table = Object.entries(statusOfExit).map(([exit, status]) => `${exit} ${status}`)
  return `Errors are JSON: {"error": {"code", "message", "hint"}}. Status by kind of error: ${table.join(', ')}.`
}

function endpoint(operation: AnyOperation): Readonly<Record<string, unknown>> {
  const schema = withoutDialect(inputSchema(operation))
  const isGet = methodOf(operation) === 'GET'
  return {
    operationId: operation.name.replaceAll(/[ -](\w)/g, (_all, letter: string) => letter.toUpperCase()),
    summary: operation.summary,
    description: describe(operation),
    tags: [operation.name.split(' ')[0]],
    'x-role': operation.role,
    'x-danger': operation.danger,
    'x-errors': operation.errors,
    ...(isGet
      ? { parameters: queryParameters(schema) }
      : {
          parameters: headers(operation),
          requestBody: { required: true, content: { 'application/json': { schema } } },
        }),
    responses: responses(operation),
  }
}

function describe(operation: AnyOperation): string {
  const errors = operation.errors.length === 0 ? [] : [`Errors to expect: ${operation.errors.join(', ')}.`]
  return [operation.description ?? operation.summary, `Needs the role ${operation.role}.`, ...errors].join('\n\n')
}

function queryParameters(schema: JsonSchema): readonly object[] {
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    ...(property.description === undefined ? {} : { description: property.description }),
    schema: property,
  }))
}

function headers(operation: AnyOperation): readonly object[] {
  const key = { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 200 } }
  const confirm = { name: 'Wharf-Confirm', in: 'header', required: true, schema: { const: 'yes' } }
  return [...(operation.where === 'run' ? [key] : []), ...(operation.danger === 'destroys' ? [confirm] : [])]
}

function responses(operation: AnyOperation): Readonly<Record<string, unknown>> {
  const failed = {
    description: 'Failed',
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  }
  const good =
    operation.where === 'run'
      ? {
          '202': {
            description: 'A run was started (or, with the same idempotency key, found).',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/RunAccepted' } } },
          },
        }
      : {
          '200': {
            description: 'Done',
            content: { 'application/json': { schema: withoutDialect(outputSchema(operation)) } },
          },
        }
  return { ...good, default: failed }
}

/** OpenAPI 3.1 schemas are draft 2020-12 already; the key is only noise in each of them. */
function withoutDialect(schema: JsonSchema): JsonSchema {
  const { $schema: _dialect, ...rest } = schema
  return rest
}
