// One endpoint per operation, made from its definition.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

import { toJson } from '../../base/json.ts'
import type { AnyOperation, OperationContext } from '../../base/operation.ts'
import { serviceKey, type Context } from '../../base/room.ts'
import type { ControlDatabase } from '../../control/contract.ts'
import type { RunEngine } from '../../runs/contract.ts'
import type { Session } from '../accounts.ts'
import type { OperationJson, RunAccepted } from '../contract.ts'
import { errors } from '../errors.ts'
import { sendJson } from './answers.ts'
import { coerceQuery, inputSchema, parseInput } from './input.ts'
import { mayDo, type Sessions } from './session.ts'

/** `backup run` → `/api/backup/run`. */
export function pathOf(operation: AnyOperation): string {
  return `/api/${operation.name.replaceAll(' ', '/')}`
}

/** Reading is GET and may be repeated, linked and cached; everything else is POST. */
export function methodOf(operation: AnyOperation): 'GET' | 'POST' {
  return operation.danger === 'none' && operation.where === 'here' ? 'GET' : 'POST'
}

/** Operations of all rooms that make sense over HTTP, by name. */
export function operationsOf(context: Context): readonly AnyOperation[] {
  return context.rooms
    .flatMap((room) => room.operations ?? [])
    .filter((one) => one.only !== 'command-line')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

const runEngine = serviceKey<RunEngine>('run engine')
/** Name of the task kind that carries an operation out on a worker; offered by this room. */
export const OPERATION_KIND = 'operation'

interface Call {
  readonly operation: AnyOperation
  readonly session: Session
  readonly input: unknown
  readonly context: Context
}

export function operationRoutes(app: FastifyInstance, context: Context, sessions: Sessions): void {
  const operations = operationsOf(context)
  for (const operation of operations) {
    const schema = inputSchema(operation)
    app.route({
      method: methodOf(operation),
      url: pathOf(operation),
      handler: async (request, reply) => {
        const session = await sessions.demand(request, operation.role, operation.name)
        const raw =
          request.method === 'GET'
            ? coerceQuery(request.query as Record<string, unknown>, schema)
            : (request.body ?? {})
        const input = parseInput(operation, raw)
        if (operation.danger === 'destroys' && request.headers['wharf-confirm'] !== 'yes')
          throw errors.confirmationMissing(operation.name)
        if (operation.danger !== 'none') await record({ operation, session, input, context })
        const call = { operation, session, input: operation.where === 'run' ? raw : input, context }
        return operation.where === 'run' ? await startRun(call, request, reply) : await runHere(call, reply)
      },
    })
  }
  app.get('/api/operations', async (request, reply) => {
    const session = await sessions.demand(request, 'viewer', 'operations')
    return sendJson(reply, { operations: operations.filter((one) => mayDo(session.role, one.role)).map(describe) })
  })
}

function describe(operation: AnyOperation): OperationJson {
  const { name, summary, danger, role, where } = operation
  return { name, summary, danger, role, where, method: methodOf(operation), path: pathOf(operation) }
}

const controlDatabase = serviceKey<ControlDatabase>('control database')

/** Who did what stands in the audit chain before it is done. Secrets never come over HTTP, so the input may stand there too. */
async function record({ operation, session, input, context }: Call): Promise<void> {
  const database = await context.use(controlDatabase)
  const detail = JSON.parse(toJson(input)) as Record<string, unknown>
  await database.audit({
    actor: session.name,
    action: operation.name,
    subject: subjectOf(detail),
    detail: { ...detail, over: 'http' },
  })
}

function subjectOf(detail: Readonly<Record<string, unknown>>): string {
  const named = ['warehouse', 'pipeline', 'run', 'id'].map((key) => detail[key]).find((one) => typeof one === 'string')
  return typeof named === 'string' ? named : ''
}

async function runHere(call: Call, reply: FastifyReply): Promise<FastifyReply> {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort(new Error('the client went away')))
  const output: unknown = await call.operation.run(call.input, operationContext(call), gone.signal)
  return sendJson(reply, output)
}

function operationContext({ context, session }: Call): OperationContext {
  // A request has no terminal: confirmation came as a header before the operation was called.
  return { ...context, progress: () => {}, confirm: async () => true, actor: session.name }
}

async function startRun(call: Call, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { operation, session, input, context } = call
  const key = request.headers['idempotency-key']
  if (key !== undefined && !/^[\x21-\x7e]{1,200}$/.test(String(key))) throw errors.idempotencyKey(undefined)
  const engine = await context.use(runEngine)
  const accepted: RunAccepted = await engine.submit({
    pipeline: operation.name,
    trigger: 'http',
    actor: session.name,
    tasks: [
      {
        name: operation.name.replaceAll(' ', '-'),
        kind: OPERATION_KIND,
        needs: [],
        input: { operation: operation.name, input },
      },
    ],
    ...(key === undefined ? {} : { idempotencyKey: `http/${session.name}/${operation.name}/${String(key)}` }),
  })
  reply.header('location', `/api/run/show?run=${encodeURIComponent(accepted.runId)}`)
  return sendJson(reply, accepted, 202)
}
