// A titled sheet on the page.
import type { ReactNode } from 'react'

import styles from './panel.module.css'

interface PanelProps {
  readonly title?: ReactNode
  readonly tools?: ReactNode
  readonly children: ReactNode
  /** Content goes to the edges: for tables. */
  readonly flush?: boolean
  readonly label?: string
}

export function Panel({ title, tools, children, flush = false, label }: PanelProps) {
  return (
    <section className={styles.panel} aria-label={label ?? (typeof title === 'string' ? title : undefined)}>
      {title !== undefined && (
        <header className={styles.head}>
          <h2>{title}</h2>
          {tools !== undefined && <div className={styles.tools}>{tools}</div>}
        </header>
      )}
      <div className={flush ? `${styles.body} ${styles.flush}` : styles.body}>{children}</div>
    </section>
  )
}
