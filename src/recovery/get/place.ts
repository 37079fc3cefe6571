// The file appears at its place whole or not at all.
import { closeSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

/** Not fsynced: PostgreSQL reads it at once, and asks again after a crash. */
export function placeFile(destination: string, bytes: Uint8Array): void {
  const temporary = `${destination}.wharf-${process.pid}`
  try {
    const descriptor = openSync(temporary, 'wx', 0o600)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
    } finally {
      closeSync(descriptor)
    }
    renameSync(temporary, destination)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
