// Verdicts, severities and states as a word with a sign: never by colour alone.
import type { Severity, Verdict } from '../../assurance/contract.ts'
import styles from './marks.module.css'

type Tone = 'good' | 'warn' | 'bad' | 'unknown' | 'busy' | 'quiet'

const signs: Readonly<Record<Tone, string>> = {
  good: 'M3.5 8.5l3 3 6-7',
  warn: 'M8 3v6M8 12.2v.3',
  bad: 'M4 4l8 8M12 4l-8 8',
  unknown: 'M5.6 6a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2.9-1.2 1.7M8 12.3v.2',
  busy: 'M13 8a5 5 0 1 1-2-4',
  quiet: 'M4 8h8',
}

export function Sign({ tone }: { readonly tone: Tone }) {
  return (
    <svg
      className={`${styles.sign} ${styles[tone]} ${tone === 'busy' ? styles.turning : ''}`}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      <path
        d={signs[tone]}
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  )
}

const verdicts: Readonly<Record<Verdict, { tone: Tone; word: string }>> = {
  protected: { tone: 'good', word: 'Protected' },
  degraded: { tone: 'warn', word: 'Degraded' },
  unprotected: { tone: 'bad', word: 'Not protected' },
  unknown: { tone: 'unknown', word: 'Not known' },
  none: { tone: 'quiet', word: 'Nothing declared' },
}

export function verdictTone(verdict: Verdict): Tone {
  return verdicts[verdict].tone
}

export function VerdictMark({ verdict }: { readonly verdict: Verdict }) {
  const { tone, word } = verdicts[verdict]
  return (
    <span className={`${styles.pill} ${styles[tone]}`}>
      <Sign tone={tone} />
      {word}
    </span>
  )
}

const severities: Readonly<Record<Severity, { tone: Tone; word: string }>> = {
  critical: { tone: 'bad', word: 'Critical' },
  warning: { tone: 'warn', word: 'Warning' },
  info: { tone: 'quiet', word: 'Note' },
}

export function SeverityMark({ severity }: { readonly severity: Severity }) {
  const { tone, word } = severities[severity]
  return (
    <span className={styles.severity}>
      <Sign tone={tone} />
      <span className="visually-hidden">{word}: </span>
    </span>
  )
}

const states: Readonly<Record<string, Tone>> = {
  succeeded: 'good',
  complete: 'good',
  streaming: 'good',
  running: 'busy',
  connecting: 'busy',
  failed: 'bad',
  failing: 'bad',
  silent: 'bad',
  stopped: 'bad',
  cancelled: 'unknown',
}

/** The tone of the state of a run, a task or a receiver. */
export function stateTone(state: string): Tone {
  return states[state] ?? 'quiet'
}

export function StateMark({ state }: { readonly state: string }) {
  const tone = stateTone(state)
  return (
    <span className={`${styles.state} ${styles[tone]}`}>
      <Sign tone={tone} />
      {state}
    </span>
  )
}
