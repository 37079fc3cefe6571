// The frame of a page: where we are, what it is called, what can be done.
import { useEffect, type ReactNode } from 'react'

import styles from './page.module.css'

interface PageProps {
  readonly title: string
  readonly crumb?: ReactNode
  readonly beside?: ReactNode
  readonly actions?: ReactNode
  readonly children: ReactNode
}

export function Page({ title, crumb, beside, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Wharfinger`
  }, [title])
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <div className={styles.titles}>
          {crumb !== undefined && <p className={styles.crumb}>{crumb}</p>}
          <h1>
            {title} {beside}
          </h1>
        </div>
        {actions !== undefined && <div className={styles.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  )
}

export function Columns({ children }: { readonly children: ReactNode }) {
  return <div className={styles.columns}>{children}</div>
}

export function Halves({ children }: { readonly children: ReactNode }) {
  return <div className={styles.halves}>{children}</div>
}

export function Stack({ children }: { readonly children: ReactNode }) {
  return <div className={styles.stack}>{children}</div>
}
