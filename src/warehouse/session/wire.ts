// The parts of pg's client and connection that its types leave out, in one place.
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

import type { Client } from 'pg'

export interface WireConnection extends EventEmitter {
  readonly stream: Socket
  /** One CopyData message. */
  sendCopyFromChunk(chunk: Buffer): void
  /** CopyDone. */
  endCopyFrom(): void
  /** A simple query. */
  query(text: string): void
}

interface WireClient {
  readonly connection: WireConnection
  readonly processID: number | null
  readonly secretKey: number | null
}

export function wireOf(client: Client): WireConnection {
  return (client as unknown as WireClient).connection
}

/** What a cancel request must carry. Undefined before the connection is made. */
export function cancelKeyOf(client: Client): { pid: number; key: number } | undefined {
  const { processID, secretKey } = client as unknown as WireClient
  return processID === null || secretKey === null ? undefined : { pid: processID, key: secretKey }
}
