// The log of a run, followed while it grows.
import { Switch } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'

import type { RunJson } from '../../server/contract.ts'
import { isActive, runLogQuery } from '../api/queries.ts'
import { Answer } from '../parts/conditions.tsx'
import { Panel } from '../parts/panel.tsx'
import { clockTime, exactTime } from '../time/times.ts'
import styles from './run-log.module.css'

export function RunLog({ run }: { readonly run: RunJson }) {
  const query = useQuery(runLogQuery(run.id, isActive(run)))
  const [follow, setFollow] = useState(true)
  const box = useRef<HTMLDivElement>(null)
  const count = query.data?.lines.length ?? 0
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [count, follow])
  return (
    <Panel
      title="Log"
      tools={
        <Switch
          size="xs"
          label="Follow"
          checked={follow}
          onChange={(event) => setFollow(event.currentTarget.checked)}
        />
      }
    >
      <Answer query={query}>
        {(log) =>
          log.lines.length === 0 ? (
            <p className="faint">{isActive(run) ? 'No line yet.' : 'Nothing was logged.'}</p>
          ) : (
            <div className={styles.log} ref={box} tabIndex={0} role="log" aria-label="Log lines">
              {log.lines.map((line) => (
                <div key={line.line} className={styles.line}>
                  <time dateTime={line.at} title={exactTime(Date.parse(line.at))}>
                    {clockTime(Date.parse(line.at), true)}
                  </time>
                  <span className={styles.task}>{line.task}</span>
                  <span className={styles.text}>{line.text}</span>
                </div>
              ))}
            </div>
          )
        }
      </Answer>
    </Panel>
  )
}
