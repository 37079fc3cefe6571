// What is wrong now, each with what to try.
import type { Problem } from '../../assurance/contract.ts'
import { SeverityMark } from './marks.tsx'
import styles from './problems.module.css'

export function Problems({ problems, empty }: { readonly problems: readonly Problem[]; readonly empty?: string }) {
  if (problems.length === 0) return <p className="dim">{empty ?? 'Nothing is wrong.'}</p>
  return (
    <ul className={styles.list}>
      {problems.map((problem, index) => (
        <li key={`${problem.code}-${index}`} className={styles.item} data-code={problem.code}>
          <SeverityMark severity={problem.severity} />
          <div className={styles.text}>
            <p>{sentence(problem.message)}</p>
            {problem.hint !== null && <p className={styles.hint}>{problem.hint}</p>}
          </div>
        </li>
      ))}
    </ul>
  )
}

/** Messages are lower case without a stop, for the command line; on a page they are sentences. */
function sentence(text: string): string {
  // A name that starts the message stays as it is written.
  return /^[a-z]+ /.test(text) && !/^[a-z]+ (would|has|names|cannot be)/.test(text)
    ? text.charAt(0).toUpperCase() + text.slice(1)
    : text
}
