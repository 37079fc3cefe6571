// A thin bar: a share of a whole, or progress with an unknown end.
import styles from './meter.module.css'

interface MeterProps {
  readonly done: number | undefined
  readonly total: number | undefined
  readonly label: string
}

export function Meter({ done, total, label }: MeterProps) {
  const share = done === undefined || total === undefined || total === 0 ? undefined : Math.min(1, done / total)
  return (
    <div
      className={styles.meter}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(share === undefined ? {} : { 'aria-valuenow': Math.round(share * 100) })}
    >
      <div
        className={share === undefined ? styles.unknown : styles.done}
        style={share === undefined ? {} : { width: `${share * 100}%` }}
      />
    </div>
  )
}

/** Parts of a whole side by side; `parts` in bytes. */
export function Shares({
  parts,
  total,
}: {
  readonly parts: readonly { readonly bytes: number; readonly tone: 'new' | 'shared'; readonly title: string }[]
  readonly total: number
}) {
  return (
    <div className={styles.shares}>
      {parts.map((part) => (
        <div
          key={part.tone}
          className={part.tone === 'new' ? styles.new : styles.shared}
          style={{ width: `${total === 0 ? 0 : Math.max(part.bytes > 0 ? 1 : 0, (part.bytes / total) * 100)}%` }}
          title={part.title}
        />
      ))}
    </div>
  )
}
