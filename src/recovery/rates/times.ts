// How long steps of recoveries took, kept in a small file under home: the time model learns from it, and it needs no database.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'

export type StepName = 'fetch' | 'replay' | 'start' | 'verify'

export interface StepTime {
  readonly step: StepName
  readonly bytes: number
  readonly ms: number
  /** What the plan said, so that predictions can be scored (P7). */
  readonly predicted: { readonly expectedMs: number; readonly lowMs: number; readonly highMs: number }
}

/** One recovery that was carried out. `verified`: started and proven, not only restored. */
export interface RecoveryRecord {
  readonly at: string
  readonly warehouse: string
  readonly backup: string
  readonly target: string
  readonly verified: boolean
  readonly durationMs: number
  readonly steps: readonly StepTime[]
}

const fileName = 'recovery-times.json'
const mostRecords = 200

/** Oldest first. A file that cannot be understood counts as empty: only predictions suffer. */
export async function readRecords(home: string): Promise<readonly RecoveryRecord[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(join(home, fileName), 'utf8'))
    return Array.isArray(parsed)
      ? (parsed as RecoveryRecord[]).filter((one) => Array.isArray(one.steps) && typeof one.at === 'string')
      : []
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return []
    throw error
  }
}

export async function addRecord(home: string, record: RecoveryRecord): Promise<void> {
  const records = [...(await readRecords(home)), record].slice(-mostRecords)
  await writeFileDurably(join(home, fileName), `${JSON.stringify(records, undefined, 1)}\n`)
}
