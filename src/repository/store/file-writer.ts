// Writes one object of a file store beside the others, fsyncs it, and only then gives it its name.
import { rm, type FileHandle } from 'node:fs/promises'

import { codeOf, messageOf } from '../../base/errors.ts'
import type { ObjectWriter } from '../contract.ts'
import { storeErrors as errors } from '../store-errors.ts'
import { storeFailure } from './failures.ts'

interface WriterParts {
  readonly handle: FileHandle
  readonly temporary: string
  readonly name: string
  readonly location: string
  readonly signal: AbortSignal
  publish(): Promise<void>
}

/** The object was never linked under its name, so nothing else is in doubt: the store goes on. */
function syncFailure(parts: WriterParts, error: unknown): Error {
  const { location, name } = parts
  if (codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT')
    return errors.full({ location, what: `write ${name}` }, { cause: error })
  return errors.syncFailed({ location, what: name, reason: messageOf(error) }, { cause: error })
}

export class FileWriter implements ObjectWriter {
  private readonly parts: WriterParts
  private state: 'open' | 'finished' | 'gone' = 'open'

  constructor(parts: WriterParts) {
    this.parts = parts
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.parts.signal.throwIfAborted()
    try {
      for (let done = 0; done < chunk.length;) {
        done += (await this.parts.handle.write(chunk, done, chunk.length - done)).bytesWritten
      }
    } catch (error) {
      throw storeFailure(this.parts.location, `write ${this.parts.name}`, error)
    }
  }

  async finish(): Promise<void> {
    if (this.state !== 'open') throw new Error(`finish() of ${this.parts.name} called twice or after abandon()`)
    this.parts.signal.throwIfAborted()
    this.state = 'finished'
    try {
      await this.parts.handle.sync()
    } catch (error) {
      await this.remove()
      throw syncFailure(this.parts, error)
    }
    try {
      await this.parts.handle.close()
      await this.parts.publish()
    } catch (error) {
      await rm(this.parts.temporary, { force: true })
      throw error
    }
  }

  async abandon(): Promise<void> {
    if (this.state === 'open') await this.remove()
  }

  private async remove(): Promise<void> {
    this.state = 'gone'
    await this.parts.handle.close().catch(() => {})
    await rm(this.parts.temporary, { force: true })
  }
}
