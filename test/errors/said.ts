// A refusal of ours as one line, for tests of exact texts.
import assert from 'node:assert/strict'

import { isWharfError } from '../../src/base/errors.ts'

/** `code: message | hint`, the folder of the test left out. */
export async function saidOf(work: () => unknown, folder: string): Promise<string> {
  try {
    await work()
  } catch (error) {
    if (!isWharfError(error)) throw error
    const { code, message, hint = '' } = error
    return `${code}: ${message} | ${hint}`.replaceAll(folder, '<folder>')
  }
  return assert.fail('nothing was refused')
}
