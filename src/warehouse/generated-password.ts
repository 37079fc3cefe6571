// Passwords that we make for servers that we run.
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { syncFolder } from '../base/durable.ts'
import { codeOf } from '../base/errors.ts'
import type { Random } from '../base/random.ts'

/** The password in `file`; a new one if there is none. Of two processes at once the first one's counts for both. */
export async function generatedPassword(file: string, random: Random): Promise<string> {
  const known = await readFile(file, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (known !== undefined) return known.trim()
  await mkdir(dirname(file), { recursive: true, mode: 0o755 })
  const temporary = `${file}.${random.bytes(6).toString('hex')}.tmp`
  await writeFile(temporary, `${random.bytes(24).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  try {
    // Unlike rename, link never replaces.
    await link(temporary, file)
    await syncFolder(dirname(file))
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    await rm(temporary, { force: true })
  }
  return (await readFile(file, 'utf8')).trim()
}
