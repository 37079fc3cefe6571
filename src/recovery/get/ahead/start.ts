// Sees to it that somebody fetches the segments after one that was just handed over.
import { spawn } from 'node:child_process'

import { processEnvironment } from '../../../base/environment.ts'
import { identityOf, isAlive } from '../../../base/process-identity.ts'
import { Spool } from './spool.ts'

export interface StartAhead {
  /** Where PostgreSQL works. */
  readonly dataDirectory: string
  /** The first segment to fetch. */
  readonly segment: string
  /** Program and arguments that lead to `wal get`. */
  readonly call: readonly string[]
  readonly options: string
}

/**
 * glibc gives each large buffer back to the system at once, and the next one costs a page fault for every 4 KiB: half of the time of fetching goes into
 * that. Kept in the process they cost nothing.
 */
const keepMemory = { MALLOC_MMAP_THRESHOLD_: '33554432', MALLOC_TRIM_THRESHOLD_: '268435456' }

/** Whoever fetches there already is told to go on with `segment`; else a process of its own is started, which nobody waits for. */
export function startAhead(start: StartAhead): void {
  const spool = new Spool(start.dataDirectory)
  spool.create()
  const holder = spool.read('lock')
  if (holder !== undefined && isAlive(holder)) return spool.write('want', start.segment)
  const child = spawn(process.execPath, [...start.call, '--options', start.options, '--ahead', start.segment], {
    cwd: start.dataDirectory,
    detached: true,
    stdio: 'ignore',
    env: { ...processEnvironment().variables, ...keepMemory },
  })
  child.on('error', () => {})
  child.unref()
  if (child.pid === undefined) return
  // It waits to be named; of two that are started at once the one that is not goes away.
  spool.write('want', start.segment)
  spool.coming(start.segment)
  spool.write('lock', identityOf(child.pid))
}
