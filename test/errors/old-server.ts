// Just enough of a PostgreSQL of an old version to be connected to: no such binaries are at hand.
import { createServer, type Server, type Socket } from 'node:net'

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

function parameter(name: string, value: string): Buffer {
  return message('S', Buffer.from(`${name}\0${value}\0`))
}

function greet(socket: Socket, version: string): void {
  socket.write(
    Buffer.concat([
      message('R', Buffer.alloc(4)),
      parameter('server_version', version),
      parameter('server_encoding', 'UTF8'),
      parameter('client_encoding', 'UTF8'),
      message('K', Buffer.alloc(8)),
      message('Z', Buffer.from('I')),
    ]),
  )
}

/** A server on a free port of the loopback that says it is PostgreSQL `version` and answers every query with nothing. */
export async function startOldServer(version: string): Promise<{ readonly port: number } & AsyncDisposable> {
  const server: Server = createServer((socket) => {
    let isGreeted = false
    socket.on('error', () => socket.destroy())
    socket.on('data', (data: Buffer) => {
      const isSslRequest = data.length === 8 && data.readUInt32BE(4) === 80_877_103
      if (isSslRequest) socket.write('N')
      else if (!isGreeted) {
        isGreeted = true
        greet(socket, version)
      } else if (data[0] === 0x58) socket.end()
      else socket.write(Buffer.concat([message('I', Buffer.alloc(0)), message('Z', Buffer.from('I'))]))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  return { port: address.port, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
}
