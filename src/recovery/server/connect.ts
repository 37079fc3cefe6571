// Sessions with a recovering server, over its private socket.
import { Client } from 'pg'

import { codeOf, messageOf } from '../../base/errors.ts'
import { recoveryErrors as errors } from '../errors.ts'

export interface PrivateServer {
  readonly socketDirectory: string
  readonly port: number
  readonly user: string
}

export type PrivateSession = Client & AsyncDisposable

/**
 * Above what a database or a role was told: what is to be loaded there would act in a copy that is to be silent, or be missing here; and a server in recovery answers nothing
 * to a serializable transaction.
 */
export const privateOptions =
  '-c session_preload_libraries= -c local_preload_libraries= -c default_transaction_isolation=read\\ committed'

/** `pg` gives up after 15 s. Nothing is logged: there is no secret, but the text of errors is the caller's to show. */
export async function connectTo(server: PrivateServer, database: string): Promise<PrivateSession> {
  const client = new Client({
    host: server.socketDirectory,
    port: server.port,
    user: server.user,
    database,
    application_name: 'wharf recovery',
    connectionTimeoutMillis: 15_000,
    options: privateOptions,
  })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    await client.end().catch(() => {})
    throw error
  }
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end().catch(() => {}) })
}

/** There is none of that name; it lets nobody in. */
const NOT_THERE = new Set(['3D000', '55000'])

/** To any database: `template1` is there in every cluster, but for the moment in which it is made anew, and may be closed to everybody. */
export async function connectToAny(server: PrivateServer): Promise<PrivateSession> {
  return await connectTo(server, 'template1').catch((error: unknown) => {
    if (!NOT_THERE.has(codeOf(error) ?? '')) throw error
    return connectTo(server, 'postgres')
  })
}

/** The first of the users who is let in. */
export async function findUser(at: Omit<PrivateServer, 'user'>, candidates: readonly string[]): Promise<string> {
  let last: unknown
  for (const user of new Set([...candidates, 'postgres'])) {
    try {
      await using session = await connectToAny({ ...at, user })
      const result = await session.query<{ super: boolean }>(
        'SELECT rolsuper AS super FROM pg_catalog.pg_roles WHERE rolname = current_user',
      )
      if (result.rows[0]?.super) return user
    } catch (error) {
      last = error
      // 28000: no such role. Anything else would befall the next one too.
      if (codeOf(error) !== '28000') break
    }
  }
  throw errors.cannotConnect(
    { database: 'template1', why: last === undefined ? 'no superuser may log in' : messageOf(last) },
    { cause: last },
  )
}
