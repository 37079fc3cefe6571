// Live by server-sent events: status arrives whole, everything else is marked stale by the kind of event.
import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import type { Status } from '../../assurance/contract.ts'
import type { ControlEventJson } from '../../server/contract.ts'
import { sessionQuery, statusQuery } from './queries.ts'

export type Connection = 'connecting' | 'live' | 'lost'

// Which answers an event of a room may have changed.
const touchedBy: Readonly<Record<string, readonly string[]>> = {
  // A run may have been a recovery or a drill: its time is then a new measurement.
  runs: ['runs', 'run', 'run-log', 'accuracy'],
  run: ['runs', 'run', 'run-log'],
  loads: ['runs', 'run', 'timeline'],
  load: ['runs', 'run', 'timeline'],
  backup: ['timeline', 'backup', 'runs'],
  wal: ['timeline'],
  recovery: ['timeline', 'plan', 'drills', 'accuracy'],
  warehouse: ['warehouse'],
}

function touch(client: QueryClient, event: ControlEventJson): void {
  const keys = touchedBy[event.kind.split('.')[0] ?? ''] ?? []
  for (const key of keys) void client.invalidateQueries({ queryKey: [key] })
}

/** Keeps one event stream open while the console is. EventSource reconnects by itself and says where it left off. */
export function useLive(): Connection {
  const client = useQueryClient()
  const [connection, setConnection] = useState<Connection>('connecting')
  useEffect(() => {
    let source: EventSource | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const open = () => {
      source = new EventSource('/api/events')
      source.addEventListener('open', () => setConnection('live'))
      source.addEventListener('status', (message) => {
        client.setQueryData(statusQuery.queryKey, JSON.parse(message.data as string) as Status)
      })
      source.addEventListener('control', (message) =>
        touch(client, JSON.parse(message.data as string) as ControlEventJson),
      )
      source.addEventListener('reset', () => void client.invalidateQueries())
      source.addEventListener('error', () => {
        setConnection('lost')
        // A refused stream is closed for good: find out whether the session ended, then try again.
        if (source?.readyState !== EventSource.CLOSED) return
        void client.invalidateQueries({ queryKey: sessionQuery.queryKey })
        timer = setTimeout(open, 5000)
      })
    }
    open()
    return () => {
      clearTimeout(timer)
      source?.close()
    }
  }, [client])
  return connection
}
