// Files on the node's own disk, read by a copying thread: synchronous calls, which a thread has nothing better to do than to wait for.
import { closeSync, openSync, readSync } from 'node:fs'

import { codeOf } from '../../base/errors.ts'
import { missing, placeOf, readError, type Places } from './disk.ts'
import type { OpenFile, Reading, Stretch } from './reading.ts'

export class DiskReading implements Reading {
  private readonly directory: string
  private readonly places: Places | undefined

  constructor(directory: string, places?: Places) {
    this.directory = directory
    this.places = places
  }

  open(path: string): OpenFile | undefined {
    const full = this.places ? placeOf(this.directory, path, this.places) : `${this.directory}/${path}`
    try {
      return new DiskFile(full, openSync(full, 'r'))
    } catch (error) {
      return missing(error, full)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class DiskFile implements OpenFile {
  readonly path: string
  private readonly descriptor: number

  constructor(path: string, descriptor: number) {
    this.path = path
    this.descriptor = descriptor
  }

  read(stretches: readonly Stretch[]): readonly number[] {
    try {
      return stretches.map((stretch) => this.fill(stretch))
    } catch (error) {
      throw codeOf(error) === 'EIO' ? error : readError(error, this.path)
    }
  }

  private fill({ offset, into }: Stretch): number {
    let filled = 0
    while (filled < into.length) {
      const got = readSync(this.descriptor, into, filled, into.length - filled, offset + filled)
      if (got === 0) break
      filled += got
    }
    return filled
  }

  [Symbol.dispose](): void {
    closeSync(this.descriptor)
  }
}
