// /metrics in OpenMetrics text.
import { createHash, timingSafeEqual } from 'node:crypto'

import type { FastifyInstance, FastifyRequest } from 'fastify'

import { messageOf } from '../../base/errors.ts'
import { metricSources, type Context, type MetricFamily } from '../../base/room.ts'
import { isLoopback, type ServerSettings } from '../config.ts'
import { errors } from '../errors.ts'
import { hostNameOf } from './security.ts'
import type { Sessions } from './session.ts'

/** Families in OpenMetrics 1.0 text, ended by `# EOF`. Counters get their `_total`. */
export function openMetrics(families: readonly MetricFamily[]): string {
  const lines = families.flatMap((family) => {
    const name = family.type === 'counter' ? family.name.replace(/_total$/, '') : family.name
    const sample = family.type === 'counter' ? `${name}_total` : name
    return [
      `# TYPE ${name} ${family.type}`,
      ...unitOf(name),
      `# HELP ${name} ${escape(family.help)}`,
      ...family.samples.map(({ labels, value }) => `${sample}${labelText(labels)} ${numberText(value)}`),
    ]
  })
  return [...lines, '# EOF', ''].join('\n')
}

function unitOf(name: string): string[] {
  const unit = ['seconds', 'bytes'].find((one) => name.endsWith(`_${one}`))
  return unit === undefined ? [] : [`# UNIT ${name} ${unit}`]
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`)
  return parts.length === 0 ? '' : `{${parts.join(',')}}`
}

function escape(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}

/** All sources side by side. One that fails is told of in `wharf_metric_source_failed` and spoils nothing else. */
export async function gatherMetrics(context: Context, signal: AbortSignal): Promise<readonly MetricFamily[]> {
  const sources = context.offers(metricSources)
  const failed: MetricFamily['samples'][number][] = []
  const gathered = await Promise.all(
    sources.map(async (source) => {
      try {
        const families = await source.gather(context, signal)
        failed.push({ labels: { source: source.name }, value: 0 })
        return families
      } catch (error) {
        context.log.warn({ source: source.name, why: messageOf(error) }, 'a metric source failed')
        failed.push({ labels: { source: source.name }, value: 1 })
        return []
      }
    }),
  )
  const help = 'Whether the source of metrics could not be asked (1).'
  return [...merge(gathered.flat()), { name: 'wharf_metric_source_failed', help, type: 'gauge', samples: failed }]
}

/** A family may appear once only: two sources that share one are joined. */
function merge(families: readonly MetricFamily[]): readonly MetricFamily[] {
  const byName = new Map<string, MetricFamily>()
  for (const family of families) {
    const known = byName.get(family.name)
    byName.set(family.name, known ? { ...known, samples: [...known.samples, ...family.samples] } : family)
  }
  return [...byName.values()]
}

/**
 * With a token: whoever has it. Without: this machine alone, asked by a loopback name and not through a proxy, or a logged-in
 * account. A proxy on this machine would otherwise open the metrics to the world.
 */
async function demandMetricsRight(
  request: FastifyRequest,
  settings: ServerSettings,
  sessions: Sessions,
): Promise<void> {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (settings.metrics_token !== undefined && given !== undefined && isEqual(given, settings.metrics_token.reveal()))
    return
  const proxied = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined
  const local =
    isLoopback(request.socket.remoteAddress ?? '') && isLoopback(hostNameOf(request.headers.host ?? '')) && !proxied
  if (settings.metrics_token === undefined && local) return
  if (await sessions.find(request)) return
  throw errors.metricsClosed(undefined)
}

function isEqual(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(left), digest(right))
}

export function metricsRoute(
  app: FastifyInstance,
  parts: { context: Context; settings: ServerSettings; sessions: Sessions },
): void {
  app.get('/metrics', async (request, reply) => {
    await demandMetricsRight(request, parts.settings, parts.sessions)
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort(new Error('the client went away')))
    const families = await gatherMetrics(parts.context, gone.signal)
    return reply
      .type('application/openmetrics-text; version=1.0.0; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(openMetrics(families))
  })
}
