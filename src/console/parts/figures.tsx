// Numbers with their units, the number standing out and the unit standing back.
import { formatDuration, formatSize } from '../../base/units.ts'
import styles from './figures.module.css'

/** `3 min 10 s` with quiet units. */
export function Figure({ text }: { readonly text: string }) {
  const parts = text.split(' ')
  return (
    <span className={styles.figure}>
      {parts.map((part, index) => (
        <span key={index} className={/^[\d.,∞–—]+$/.test(part) ? styles.number : styles.unit}>
          {part}
        </span>
      ))}
    </span>
  )
}

export function durationText(ms: number | null | undefined): string {
  return ms === null || ms === undefined ? '—' : formatDuration(ms)
}

export function sizeText(bytes: number | null | undefined): string {
  return bytes === null || bytes === undefined ? '—' : formatSize(bytes)
}

/** `1 234 567`, with thin spaces. */
export function countText(count: number | null | undefined): string {
  if (count === null || count === undefined) return '—'
  return new Intl.NumberFormat('en').format(count).replaceAll(',', '\u2009')
}

interface FactProps {
  readonly label: string
  readonly children: React.ReactNode
  readonly note?: React.ReactNode
  readonly title?: string | undefined
}

/** A large figure with its name above and a note below. */
export function KeyFigure({ label, children, note, title }: FactProps) {
  return (
    <div className={styles.key} title={title}>
      <dt className={styles.label}>{label}</dt>
      <dd className={styles.value}>{children}</dd>
      {note !== undefined && <dd className={styles.note}>{note}</dd>}
    </div>
  )
}

/** Name and value on one line; many of them make a table of facts. */
export function Fact({ label, children, title }: Omit<FactProps, 'note'>) {
  return (
    <div className={styles.fact} title={title}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}

export function Facts({ children }: { readonly children: React.ReactNode }) {
  return <dl className={styles.facts}>{children}</dl>
}
