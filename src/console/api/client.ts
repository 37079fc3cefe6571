// Talks to the server: JSON in, JSON out, errors with code, message and hint.
import type { ApiError } from '../../server/contract.ts'
import { learnClock } from '../time/now.ts'

/** A refused or failed request, in the server's words. */
export class ApiFailure extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string | undefined

  constructor(status: number, error: ApiError['error']) {
    super(error.message)
    this.name = 'ApiFailure'
    this.status = status
    this.code = error.code
    this.hint = error.hint
  }
}

type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

/** An operation that only reads. */
export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) search.append(key, String(one))
  }
  const suffix = search.size > 0 ? `?${search.toString()}` : ''
  return request<T>(`${path}${suffix}`, signal ? { signal } : {})
}

/** An operation that changes something. `once`: an idempotency key. */
export async function post<T>(
  path: string,
  body: object,
  options: { once?: string; confirmed?: boolean } = {},
): Promise<T> {
  return request<T>(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      ...(options.once === undefined ? {} : { 'idempotency-key': options.once }),
      ...(options.confirmed === true ? { 'wharf-confirm': 'yes' } : {}),
    },
  })
}

export async function remove(path: string): Promise<void> {
  await request(path, { method: 'DELETE' })
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  const response = await send(path, init)
  if (response.status === 204) return undefined as T
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) return body as T
  throw new ApiFailure(response.status, errorOf(body, response.status))
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    const response = await fetch(path, { ...init, credentials: 'same-origin' })
    learnClock(response.headers.get('date'))
    return response
  } catch (error) {
    if (init.signal?.aborted) throw error
    throw new ApiFailure(0, {
      code: 'console.no-connection',
      message: 'the server does not answer',
      hint: 'is "wharf up" still running?',
    })
  }
}

function errorOf(body: unknown, status: number): ApiError['error'] {
  const error = (body as Partial<ApiError> | undefined)?.error
  return error ?? { code: 'console.odd-answer', message: `the server answered with status ${status}` }
}
