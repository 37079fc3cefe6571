// Predicted against measured recovery times: how well what the plans say has held, and where it was wrong.
import { useQuery } from '@tanstack/react-query'

import { accuracyQuery } from '../api/queries.ts'
import type { AccuracyJson, ScoredRecoveryJson } from '../api/shapes.ts'
import { ScatterChart } from '../charts/scatter-chart.tsx'
import { Answer, Empty } from '../parts/conditions.tsx'
import { CopyLine } from '../parts/copy-line.tsx'
import { countText, durationText, Figure, KeyFigure } from '../parts/figures.tsx'
import { Sign } from '../parts/marks.tsx'
import { Panel } from '../parts/panel.tsx'
import { exactTime } from '../time/times.ts'
import styles from './accuracy.module.css'
import { Recoveries, Scores } from './accuracy-tables.tsx'
import { biasText, fateOf, judgeCoverage, percent, ratio, saidAndTook, stepText, wayText } from './words.ts'

export function AccuracyPanel({ warehouse }: { readonly warehouse: string }) {
  const query = useQuery(accuracyQuery(warehouse))
  return (
    <Panel title="Predicted and measured">
      <Answer query={query} lines={4}>
        {(accuracy) =>
          accuracy.recoveries.length === 0 ? <Nothing warehouse={warehouse} /> : <Shown accuracy={accuracy} />
        }
      </Answer>
    </Panel>
  )
}

function Nothing({ warehouse }: { readonly warehouse: string }) {
  return (
    <Empty title="Nothing measured yet: run a drill">
      <p>
        The times in plans of {warehouse} are first guesses until a recovery or a drill has been carried out. A drill
        recovers into a sandbox, proves it and removes it; the live server is not touched.
      </p>
      <br />
      <CopyLine text={`wharf drill run ${warehouse}`} />
    </Empty>
  )
}

function Shown({ accuracy }: { readonly accuracy: AccuracyJson }) {
  const { recoveries, worst, guessed } = accuracy
  return (
    <>
      <Summary accuracy={accuracy} />
      <div className={styles.halves}>
        <div>
          <h3>Each recovery and drill</h3>
          <ScatterChart
            label={summaryText(accuracy)}
            points={recoveries.map((one) => ({
              ...one,
              key: `${one.at}-${one.way}-${one.measuredMs}`,
              fate: fateOf(one),
              text: `${wayText(one.way)}, ${exactTime(Date.parse(one.at))}: ${saidAndTook(one)}`,
            }))}
          />
        </div>
        <Worst worst={worst} measured={accuracy.measured.count} />
      </div>
      <Scores accuracy={accuracy} />
      {guessed.length > 0 && (
        <p className={styles.guessed}>
          <Sign tone="unknown" /> Measured, but only guessed before:{' '}
          {guessed
            .map(
              (one) => `${stepText(one)} (said ${durationText(one.expectedMs)}, took ${durationText(one.measuredMs)})`,
            )
            .join(', ')}
          .
        </p>
      )}
      <details className={styles.all}>
        <summary>
          {recoveries.length === 1 ? 'The recovery' : `All ${countText(recoveries.length)} recoveries`} as a table
        </summary>
        <Recoveries recoveries={recoveries} />
      </details>
    </>
  )
}

function Summary({ accuracy: { measured, assumed } }: { readonly accuracy: AccuracyJson }) {
  const judged = judgeCoverage(measured)
  return (
    <dl className={styles.figures}>
      <KeyFigure label="Median error" note={`of ${recoveriesText(measured.count)} that rested on measurements`}>
        <Figure text={percent(measured.medianError)} />
      </KeyFigure>
      <KeyFigure
        label="Within the interval"
        note={
          <>
            <Sign tone={judged.tone} /> {judged.text}
          </>
        }
      >
        <Figure text={percent(measured.coverage)} />
      </KeyFigure>
      <KeyFigure label="Measured / predicted" note={biasText(measured.bias)}>
        <Figure text={ratio(measured.bias)} />
      </KeyFigure>
      <KeyFigure
        label="By first guesses"
        note={
          assumed.count === 0
            ? 'everything rested on measurements'
            : `median error ${percent(assumed.medianError)}; counted nowhere else`
        }
      >
        <Figure text={countText(assumed.count)} />
      </KeyFigure>
    </dl>
  )
}

function recoveriesText(count: number): string {
  return count === 1 ? '1 recovery' : `${countText(count)} recoveries`
}

function summaryText({ measured, assumed, worst }: AccuracyJson): string {
  const furthest = worst[0] ? ` Furthest off: ${wayText(worst[0].way)}, ${saidAndTook(worst[0])}.` : ''
  return `Predicted against measured times of ${recoveriesText(measured.count)} by measurements and ${recoveriesText(assumed.count)} by first guesses: median error ${percent(measured.medianError)}, ${percent(measured.coverage)} within the interval.${furthest} All of them stand in the table below.`
}

function Worst({ worst, measured }: { readonly worst: readonly ScoredRecoveryJson[]; readonly measured: number }) {
  return (
    <div>
      <h3>Furthest off</h3>
      {worst.length === 0 ? (
        <p className={styles.none}>
          {measured === 0 ? (
            'Nothing that was predicted by measurements has been put to the test yet.'
          ) : (
            <>
              <Sign tone="good" /> None: all {countText(measured)} ended within their intervals.
            </>
          )}
        </p>
      ) : (
        <ol className={styles.worst}>
          {worst.map((one) => (
            <li key={`${one.at}-${one.way}`}>
              <p>
                <b>{wayText(one.way)}</b> {exactTime(Date.parse(one.at))}
                <span className={styles.factor}>{ratio(one.measuredMs / Math.max(1, one.expectedMs))}</span>
              </p>
              <p className="dim">
                {saidAndTook(one)}
                {one.step !== null && `; most of it in step “${stepText({ step: one.step, kind: null })}”`}
              </p>
              <p className="faint mono">{one.backup}</p>
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}
