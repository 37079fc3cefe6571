// Loading, failed, empty: each part of a page has all three.
import { Button, Skeleton } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'

import { ApiFailure } from '../api/client.ts'
import { now, useNow } from '../time/now.ts'
import styles from './conditions.module.css'
import { Sign } from './marks.tsx'

/** From this age on a wait is explained. */
const PATIENCE_S = 4

export function Loading({ lines = 3 }: { readonly lines?: number }) {
  const waited = useWaited()
  return (
    <div className={styles.loading} aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={14} radius="sm" width={`${92 - ((index * 17) % 40)}%`} />
      ))}
      {waited >= PATIENCE_S && (
        <p className="dim" role="status">
          The server is still at it<span aria-hidden="true">: {waited} s</span>
        </p>
      )}
    </div>
  )
}

/** Whole seconds since this was first shown. */
function useWaited(): number {
  const [since] = useState(now)
  return Math.floor((useNow(1000) - since) / 1000)
}

interface FailedProps {
  readonly error: unknown
  readonly retry?: () => void
  /** It is being tried again. */
  readonly trying?: boolean
}

export function Failed({ error, retry, trying = false }: FailedProps) {
  const message = error instanceof Error ? error.message : String(error)
  const hint = error instanceof ApiFailure ? error.hint : undefined
  return (
    <div className={styles.failed} role="alert">
      <Sign tone="bad" />
      <div>
        <p>{message.charAt(0).toUpperCase() + message.slice(1)}.</p>
        {hint !== undefined && <p className="dim">{hint}</p>}
        {retry && (
          <Button size="compact-sm" variant="default" mt={8} onClick={retry} loading={trying}>
            Try again
          </Button>
        )}
      </div>
    </div>
  )
}

export function Empty({ children, title }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <div className={styles.empty}>
      <p className={styles.title}>{title}</p>
      {children !== undefined && <div className="dim">{children}</div>}
    </div>
  )
}

interface AnswerProps<T> {
  readonly query: UseQueryResult<T>
  readonly lines?: number
  readonly children: (data: T) => ReactNode
}

/** Shows data once it is there. A failed renewal keeps what was there and says so above it. */
export function Answer<T>({ query, lines = 3, children }: AnswerProps<T>) {
  const failed = query.error && (
    <Failed error={query.error} retry={() => void query.refetch()} trying={query.isFetching} />
  )
  if (query.data === undefined) return failed ?? <Loading lines={lines} />
  return (
    <>
      {failed}
      {children(query.data)}
    </>
  )
}
