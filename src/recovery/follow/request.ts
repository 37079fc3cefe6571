// How a cut-over is asked for and answered: files in the data directory, between two processes of one machine.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'

const requestName = 'wharf-cut-over'
const failureName = 'wharf-cut-over.failed'

export async function askForCutOver(directory: string): Promise<void> {
  await rm(join(directory, failureName), { force: true })
  await writeFileDurably(join(directory, requestName), '')
}

/** Whether it is asked for. A file that somebody makes by hand (`touch DIRECTORY/wharf-cut-over`) does as well. */
export async function isAskedFor(directory: string): Promise<boolean> {
  return (await textOf(join(directory, requestName))) !== undefined
}

export async function endRequest(directory: string, failure?: string): Promise<void> {
  if (failure !== undefined) await writeFileDurably(join(directory, failureName), failure)
  await rm(join(directory, requestName), { force: true })
}

export async function failureOf(directory: string): Promise<string | undefined> {
  return await textOf(join(directory, failureName))
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined)
}
