// The plan of tables or of a database, as `recover plan --table` and `--database` make it: before anything is begun, and what the live server will see of it.
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query'

import { formatSize } from '../../base/units.ts'
import { get } from '../api/client.ts'
import type { PartPlanJson } from '../api/shapes.ts'
import { countText, Fact, Facts, Figure, KeyFigure } from '../parts/figures.tsx'
import {
  BackupFacts,
  Lines,
  Losses,
  PlanFrame,
  PlanInShort,
  SpaceFacts,
  Steps,
  TargetFigure,
  TimeFigure,
} from './plan-pieces.tsx'
import styles from './plan.module.css'
import { targetQuery, type TableMode, type Target } from './target.ts'

/** Which part, and what becomes of it. */
export type Part =
  | { readonly table: readonly string[]; readonly mode: TableMode }
  | { readonly database: string; readonly as?: string }

interface PartPlanProps {
  readonly warehouse: string
  readonly target: Target
  readonly part: Part
}

export const partPlanQuery = ({ warehouse, target, part }: PartPlanProps) =>
  queryOptions({
    queryKey: ['plan', warehouse, target, part],
    queryFn: ({ signal }) =>
      get<PartPlanJson>('/api/recover/plan', { warehouse, ...targetQuery(target), ...part }, signal),
    placeholderData: keepPreviousData,
    retry: false,
    staleTime: 20_000,
  })

export function PartPlan(props: PartPlanProps) {
  return <PlanFrame query={useQuery(partPlanQuery(props))}>{(plan) => <Shown plan={plan} />}</PlanFrame>
}

/** For the question before the start. */
export function PartInShort(props: PartPlanProps) {
  return <PlanInShort query={useQuery(partPlanQuery(props))} without="Not in what comes back" />
}

function Shown({ plan }: { readonly plan: PartPlanJson }) {
  const { wantedBytes, catalogBytes, walBytes, files } = plan.size
  return (
    <>
      <dl className={styles.figures}>
        <TimeFigure label="Back in" time={plan.time} />
        <KeyFigure label="To read" note={`${formatSize(wantedBytes)} of it what is wanted`}>
          <Figure text={formatSize(wantedBytes + catalogBytes + walBytes)} />
        </KeyFigure>
        <TargetFigure target={plan.target} />
      </dl>
      <Steps steps={plan.steps} />
      <div className={styles.halves}>
        <div>
          <Lines title="On the live server" lines={plan.live} />
          <Losses
            title="Not in what comes back"
            plan={plan}
            nothing="Nothing is missing: it is the newest that the repository holds."
          />
          <Lines title="Notes" lines={plan.notes} />
        </div>
        <div>
          <h3>From</h3>
          <Facts>
            <BackupFacts plan={plan} />
            <Fact label="Read of it">
              {countText(files)} files: {formatSize(wantedBytes)} of what is wanted, {formatSize(catalogBytes)} of
              catalogs
            </Fact>
            <Fact label="WAL">{formatSize(walBytes)}</Fact>
            <SpaceFacts space={plan.space} label="Space for the sandbox" />
          </Facts>
        </div>
      </div>
    </>
  )
}
