// Loading, failed, empty: each part of a page has all three.
import { Button, Skeleton } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { ApiFailure } from '../api/client.ts'
import styles from './conditions.module.css'
import { Sign } from './marks.tsx'

export function Loading({ lines = 3 }: { readonly lines?: number }) {
  return (
    <div className={styles.loading} aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={14} radius="sm" width={`${92 - ((index * 17) % 40)}%`} />
      ))}
    </div>
  )
}

interface FailedProps {
  readonly error: unknown
  readonly retry?: () => void
}

export function Failed({ error, retry }: FailedProps) {
  const message = error instanceof Error ? error.message : String(error)
  const hint = error instanceof ApiFailure ? error.hint : undefined
  return (
    <div className={styles.failed} role="alert">
      <Sign tone="bad" />
      <div>
        <p>{message.charAt(0).toUpperCase() + message.slice(1)}.</p>
        {hint !== undefined && <p className="dim">{hint}</p>}
        {retry && (
          <Button size="compact-sm" variant="default" mt={8} onClick={retry}>
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
  if (query.data === undefined) {
    return query.error ? <Failed error={query.error} retry={() => void query.refetch()} /> : <Loading lines={lines} />
  }
  return (
    <>
      {query.error && <Failed error={query.error} retry={() => void query.refetch()} />}
      {children(query.data)}
    </>
  )
}
