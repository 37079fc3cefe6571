// One warehouse in one look: the verdict in words, and the three numbers behind it.
import { Link } from '@tanstack/react-router'

import type { LossNow, ReturnTime, WarehouseStatus } from '../../assurance/contract.ts'
import { formatDuration, formatSize } from '../../base/units.ts'
import { Figure, KeyFigure } from '../parts/figures.tsx'
import { VerdictMark, verdictTone } from '../parts/marks.tsx'
import { exactTime } from '../time/times.ts'
import styles from './warehouse-hero.module.css'

export function WarehouseHero({ status }: { readonly status: WarehouseStatus }) {
  return (
    <section
      className={`${styles.hero} ${styles[verdictTone(status.verdict)] ?? ''}`}
      aria-label={`Warehouse ${status.warehouse}`}
    >
      <header className={styles.head}>
        <Link to="/warehouses/$warehouse" params={{ warehouse: status.warehouse }} className={styles.name}>
          {status.warehouse}
        </Link>
        <VerdictMark verdict={status.verdict} />
      </header>
      <p className={styles.sentence}>{withUnits(status.sentence)}</p>
      <dl className={styles.figures}>
        <Loss loss={status.rpo} />
        <Return rto={status.rto} />
        <Proven status={status} />
        <LastBackup status={status} />
      </dl>
    </section>
  )
}

function Loss({ loss }: { readonly loss: LossNow }) {
  const note = lossNote(loss)
  if (loss.basis === 'everything') {
    return (
      <KeyFigure label="Lost now (RPO)" note={note}>
        <span className={styles.word}>everything</span>
      </KeyFigure>
    )
  }
  return (
    <KeyFigure label="Lost now (RPO)" note={note}>
      {loss.ms === null ? <span className={styles.word}>not known</span> : <Figure text={formatDuration(loss.ms)} />}
    </KeyFigure>
  )
}

function lossNote(loss: LossNow): string {
  if (loss.basis === 'everything') return 'nothing to recover from'
  if (loss.basis === 'unknown') return 'could not be asked'
  if (loss.growing) return 'and growing: no WAL arrives'
  return loss.bytes === null ? 'by the receiver’s position' : `${formatSize(loss.bytes)} of WAL not durable yet`
}

function Return({ rto }: { readonly rto: ReturnTime | null }) {
  if (rto === null) {
    return (
      <KeyFigure label="Back in (RTO)" note="no estimate">
        <span className={styles.word}>not known</span>
      </KeyFigure>
    )
  }
  const steps = rto.steps
    .map(
      (one) =>
        `${one.step}: ${formatSize(one.bytes)} at ${formatSize(one.bytesPerSecond)}/s, ${formatDuration(one.ms)}`,
    )
    .join('\n')
  return (
    <KeyFigure
      label="Back in (RTO)"
      note={`${formatDuration(rto.lowMs)} to ${formatDuration(rto.highMs)}, ${rto.basis} rates`}
      title={steps}
    >
      <Figure text={formatDuration(rto.expectedMs)} />
    </KeyFigure>
  )
}

function Proven({ status }: { readonly status: WarehouseStatus }) {
  const proof = status.lastProof
  const isUnknown = status.unknown.includes('proof')
  if (!proof) {
    return (
      <KeyFigure label="Last proven" note={isUnknown ? 'could not be asked' : 'by a recovery that was verified'}>
        <span className={styles.word}>{isUnknown ? 'not known' : 'never'}</span>
      </KeyFigure>
    )
  }
  return (
    <KeyFigure
      label="Last proven"
      note={`${formatDuration(proof.durationMs)} to recover`}
      title={exactTime(Date.parse(proof.at))}
    >
      <Figure text={ageText(proof.ageMs)} />
    </KeyFigure>
  )
}

function LastBackup({ status }: { readonly status: WarehouseStatus }) {
  const backup = status.lastBackup
  const isUnknown = status.unknown.includes('backups')
  if (!backup) {
    return (
      <KeyFigure label="Last complete backup" note={isUnknown ? 'could not be asked' : 'none yet'}>
        <span className={styles.word}>{isUnknown ? 'not known' : 'none'}</span>
      </KeyFigure>
    )
  }
  const note = (
    <>
      <Link to="/backups/$warehouse/$backup" params={{ warehouse: status.warehouse, backup: backup.id }}>
        {backup.kind}
      </Link>
      , {formatSize(backup.clusterBytes)}
    </>
  )
  return (
    <KeyFigure label="Last complete backup" note={note} title={exactTime(Date.parse(backup.finishedAt))}>
      <Figure text={ageText(backup.ageMs)} />
    </KeyFigure>
  )
}

function ageText(ms: number): string {
  const text = formatDuration(ms).split(' ').slice(0, 2).join(' ')
  return `${text} ago`
}

/** Keeps a number and its unit on one line. */
function withUnits(text: string): string {
  return text.replaceAll(/(\d) (ms|s|min|h|d)\b/g, '$1\u00a0$2')
}
