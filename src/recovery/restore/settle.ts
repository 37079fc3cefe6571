// Last look at restored files before they are made durable, and at the pages of a recovered cluster. Runs in a restoring thread.
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, fsyncSync, openSync, readSync } from 'node:fs'

import { BLOCK_BYTES } from '../../wal/contract.ts'
import { verifyPage } from '../../wal/data-page.ts'
import { recoveryErrors as errors } from '../errors.ts'
import type { SettleTask, VerifyTask } from './messages.ts'
import { writeError } from './write-error.ts'

/** Holds length and, for plain files, SHA-256 against the manifest; then fsyncs if `durable`. A failing fsync is never tried again. */
export function settleFile(
  one: SettleTask['files'][number],
  tools: { buffer: Buffer; backup: string; durable: boolean },
): void {
  const descriptor = openSync(one.path, 'r+')
  try {
    if (fstatSync(descriptor).size !== one.bytes) throw errors.damagedFile({ file: one.file, backup: tools.backup })
    if (one.sha256 !== undefined && hashOf(descriptor, tools.buffer) !== one.sha256)
      throw errors.damagedFile({ file: one.file, backup: tools.backup })
    if (!tools.durable) return
    try {
      fsyncSync(descriptor)
    } catch (error) {
      throw writeError(error, one.path)
    }
  } finally {
    closeSync(descriptor)
  }
}

function hashOf(descriptor: number, buffer: Buffer): string {
  const hash = createHash('sha256')
  for (let at = 0; ;) {
    const count = readSync(descriptor, buffer, 0, buffer.length, at)
    if (count === 0) return hash.digest('hex')
    hash.update(buffer.subarray(0, count))
    at += count
  }
}

/** A system may give fewer bytes than there are: that is no end of file. */
function readFully(descriptor: number, into: Buffer, offset: number): number {
  let filled = 0
  while (filled < into.length) {
    const got = readSync(descriptor, into, filled, into.length - filled, offset + filled)
    if (got === 0) break
    filled += got
  }
  return filled
}

/** Findings name file, block and reason; at most 20 of one file. */
export function verifyFile(
  one: VerifyTask['files'][number],
  tools: { buffer: Buffer; checksums: boolean; onRead: (bytes: number) => void },
): readonly string[] {
  const findings: string[] = []
  const descriptor = openSync(one.path, 'r')
  try {
    for (let at = 0; ;) {
      const count = readFully(descriptor, tools.buffer, at)
      if (count === 0) return findings
      if (count % BLOCK_BYTES !== 0)
        return [...findings, `${one.file} ends within block ${Math.floor((at + count) / BLOCK_BYTES)}`]
      for (let offset = 0; offset < count && findings.length < 20; offset += BLOCK_BYTES) {
        const block = (at + offset) / BLOCK_BYTES
        const verdict = verifyPage(tools.buffer, offset, { block: one.firstBlock + block, checksums: tools.checksums })
        if (verdict === 'checksum' || verdict === 'header') findings.push(`${one.file} block ${block}: bad ${verdict}`)
      }
      tools.onRead(count)
      at += count
    }
  } finally {
    closeSync(descriptor)
  }
}
