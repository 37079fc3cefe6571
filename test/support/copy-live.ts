// A copy of a folder in which a server goes on writing.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

/** What the server removes while cp is under way is missing in the copy, which cp tells and counts as a failure; nothing else may fail. */
export function copyLive(from: string, to: string): void {
  const { stderr } = spawnSync('cp', ['-a', from, to], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } })
  const failures = stderr.split('\n').filter((line) => line !== '' && !line.endsWith(': No such file or directory'))
  assert.deepEqual(failures, [])
}
