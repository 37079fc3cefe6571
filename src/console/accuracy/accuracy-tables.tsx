// Scores by way and by step, and every recovery that was scored.
import type { AccuracyJson, ScoredRecoveryJson, ScoreJson } from '../api/shapes.ts'
import { countText, durationText } from '../parts/figures.tsx'
import { Sign } from '../parts/marks.tsx'
import table from '../parts/table.module.css'
import { exactTime } from '../time/times.ts'
import styles from './accuracy.module.css'
import { enoughToJudge, fateOf, judgeCoverage, percent, ratio, stepText, wayText } from './words.ts'

export function Scores({ accuracy: { ways, steps } }: { readonly accuracy: AccuracyJson }) {
  if (ways.length + steps.length === 0) return null
  return (
    <table className={`${table.table} ${styles.scores}`}>
      <caption className="visually-hidden">Scores by way of recovery and by step, medians</caption>
      <thead>
        <tr>
          <th scope="col">By way, by step</th>
          <th scope="col" className={table.number}>
            Scored
          </th>
          <th scope="col" className={table.number}>
            Predicted
          </th>
          <th scope="col" className={table.number}>
            Measured
          </th>
          <th scope="col" className={table.number}>
            Measured / predicted
          </th>
          <th scope="col" className={table.number}>
            Median error
          </th>
          <th scope="col" className={table.number}>
            Within 80 %
          </th>
        </tr>
      </thead>
      <tbody>
        {ways.map((one) => (
          <Score key={one.way} name={wayText(one.way)} kind="way" score={one} />
        ))}
        {steps.map((one) => (
          <Score key={`${one.step}-${one.kind}`} name={stepText(one)} kind="step" score={one} />
        ))}
      </tbody>
    </table>
  )
}

interface ScoreProps {
  readonly name: string
  readonly kind: 'way' | 'step'
  readonly score: ScoreJson
}

function Score({ name, kind, score }: ScoreProps) {
  const judged = judgeCoverage(score)
  return (
    <tr>
      <td data-span="4">
        {kind === 'way' ? <b>{name}</b> : <span className={styles.step}>{name}</span>}
        <span className="visually-hidden"> ({kind})</span>
      </td>
      <td className={table.number} data-label="Scored">
        {countText(score.count)}
      </td>
      <td className={table.number} data-label="Predicted">
        {durationText(score.expectedMs)}
      </td>
      <td className={table.number} data-label="Measured">
        {durationText(score.measuredMs)}
      </td>
      <td className={table.number} data-label="Ratio">
        {ratio(score.bias)}
      </td>
      <td className={table.number} data-label="Error">
        {percent(score.medianError)}
      </td>
      <td className={table.number} data-label="Within 80 %" title={judged.text}>
        {score.count >= enoughToJudge && <Sign tone={judged.tone} />} {percent(score.coverage)}
        {judged.tone === 'warn' && <span className="visually-hidden"> {judged.text}</span>}
      </td>
    </tr>
  )
}

const fates = {
  held: { tone: 'good', word: 'yes' },
  off: { tone: 'warn', word: 'no' },
  guess: { tone: 'quiet', word: 'a first guess' },
} as const

export function Recoveries({ recoveries }: { readonly recoveries: readonly ScoredRecoveryJson[] }) {
  return (
    <table className={table.table}>
      <thead>
        <tr>
          <th scope="col">Ended</th>
          <th scope="col">What</th>
          <th scope="col" className={table.number}>
            Predicted
          </th>
          <th scope="col" className={table.number}>
            Interval
          </th>
          <th scope="col" className={table.number}>
            Measured
          </th>
          <th scope="col">Within it</th>
        </tr>
      </thead>
      <tbody>
        {recoveries.map((one, index) => {
          const { tone, word } = fates[fateOf(one)]
          return (
            <tr key={index}>
              <td data-span="4">{exactTime(Date.parse(one.at))}</td>
              <td data-span="4">{wayText(one.way)}</td>
              <td className={table.number} data-label="Predicted">
                {durationText(one.expectedMs)}
              </td>
              <td className={table.number} data-label="Interval">
                {durationText(one.lowMs)} – {durationText(one.highMs)}
              </td>
              <td className={table.number} data-label="Measured">
                {durationText(one.measuredMs)}
              </td>
              <td data-label="Within it">
                <Sign tone={tone} /> {word}
              </td>
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}
