// Things that a page may start. Every start has a key of its own, so that a doubled click is one run.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'

import type { RunAccepted, RunJson } from '../../server/contract.ts'
import { post } from './client.ts'
import { newKey } from './once.ts'
import { sessionQuery } from './queries.ts'

/** Whether the account may change things. */
export function useMayOperate(): boolean {
  const { data } = useQuery(sessionQuery)
  return data !== undefined && data.role !== 'viewer'
}

/** Starts an operation that runs on a worker and goes to its run. */
export function useStart(path: string) {
  const navigate = useNavigate()
  const [once, setOnce] = useState(newKey)
  return useMutation({
    mutationFn: (body: object) => post<RunAccepted>(path, body, { once }),
    onSuccess: ({ runId }) => {
      setOnce(newKey())
      return navigate({ to: '/loads/$run', params: { run: runId } })
    },
  })
}

/** Cancels or retries a run. */
export function useRunAction(path: '/api/run/cancel' | '/api/run/retry') {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (run: string) => post<RunJson>(path, { run }),
    onSettled: () =>
      Promise.all(['run', 'runs', 'run-log'].map((key) => client.invalidateQueries({ queryKey: [key] }))),
  })
}
