// The cancel request of the protocol: a second connection that names the backend and its key, and needs no free slot.
import { connect as connectSocket, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'

import { withTimeLimit } from '../../base/clock.ts'
import type { ConnectionTarget } from '../connection.ts'
import { tlsOptions } from './tls.ts'

const cancelCode = 80_877_102
const tlsCode = 80_877_103
const patienceMs = 5000

/** Asks the server to cancel what the backend runs now. Resolves when the request is delivered; failing is not an error. */
export async function sendCancel(target: ConnectionTarget, backend: { pid: number; key: number }): Promise<void> {
  try {
    await deliver(target, backend)
  } catch {
    // The session itself will notice that its server is gone.
  }
}

async function deliver(target: ConnectionTarget, backend: { pid: number; key: number }): Promise<void> {
  const socket = target.host.startsWith('/')
    ? connectSocket({ path: `${target.host}/.s.PGSQL.${target.port}` })
    : connectSocket({ host: target.host, port: target.port })
  const limit = withTimeLimit(new AbortController().signal, patienceMs)
  const onLimit = (): void => void socket.destroy(new Error('no answer in time'))
  limit.addEventListener('abort', onLimit, { once: true })
  try {
    await once(socket, 'connect')
    const channel = await secure(socket, target)
    const request = Buffer.alloc(16)
    for (const [index, value] of [16, cancelCode, backend.pid].entries()) request.writeUInt32BE(value, index * 4)
    request.writeInt32BE(backend.key | 0, 12)
    channel.on('error', () => {})
    channel.end(request)
    channel.resume()
    // The server closes the connection once the signal is sent.
    await once(socket, 'close')
  } finally {
    limit.removeEventListener('abort', onLimit)
    socket.destroy()
  }
}

async function secure(socket: Socket, target: ConnectionTarget): Promise<Duplex> {
  const options = await tlsOptions(target)
  if (options === false) return socket
  const request = Buffer.alloc(8)
  request.writeUInt32BE(8, 0)
  request.writeUInt32BE(tlsCode, 4)
  socket.write(request)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (answer.toString('latin1') !== 'S') {
    if (target.tls.mode === 'prefer') return socket
    throw new Error('TLS is not offered')
  }
  socket.removeAllListeners('data')
  const channel = connectTls({ ...options, socket, host: target.host })
  await once(channel, 'secureConnect')
  return channel
}
