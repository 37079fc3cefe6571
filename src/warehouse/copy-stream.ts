// COPY of whole tables as streams of bytes, over a session of this room.
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { from, to } from 'pg-copy-streams'

import type { Session } from './contract.ts'

/** `COPY … TO STDOUT`. The stream rejects with the server's error; `rows()` counts once it has ended. */
export function copyOut(
  session: Pick<Session, 'client'>,
  sql: string,
): { readonly stream: AsyncIterable<Buffer>; rows(): number } {
  const copy = session.client.query(to(sql)) as Readable & { readonly rowCount: number }
  return { stream: copy, rows: () => copy.rowCount }
}

/** `COPY … FROM STDIN`. Resolves with the number of rows once the server has taken all of them. */
export async function copyIn(
  session: Pick<Session, 'client'>,
  sql: string,
  rows: AsyncIterable<Buffer>,
): Promise<number> {
  const copy = session.client.query(from(sql))
  await pipeline(rows, copy)
  return copy.rowCount
}
