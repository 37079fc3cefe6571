// Recoveries that are under way, whoever has started them: two people at one disaster, or one who has reloaded the page.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'

import { isActive, runsQuery } from '../api/queries.ts'
import { Sign } from '../parts/marks.tsx'
import { Ago } from '../time/ago.tsx'
import styles from './recovery-page.module.css'

const changing = /^recover (run|table|database|tablespace|block|loads|copies|cut-over)$/

export function UnderWay() {
  const runs = (useQuery(runsQuery(50)).data ?? []).filter((one) => isActive(one) && changing.test(one.pipeline))
  if (runs.length === 0) return null
  return (
    <ul className={styles.underWay} aria-label="Recoveries under way">
      {runs.map((one) => (
        <li key={one.id}>
          <Sign tone="busy" />{' '}
          <Link to="/loads/$run" params={{ run: one.id }}>
            {one.pipeline}
          </Link>{' '}
          is {one.state}, started by {one.actor} <Ago at={one.startedAt ?? one.createdAt} />
        </li>
      ))}
    </ul>
  )
}
