// The folder between who fetches ahead and the restore_command that takes: within the data directory, so that a segment is handed over by a rename.
//
//   wharf-wal-ahead/<segment>.<cksum>   whole, with what `cksum` must say of it
//   wharf-wal-ahead/<segment>.coming    is being fetched: worth waiting for while the process in `lock` lives
//   wharf-wal-ahead/lock                the one process that may fetch ahead here: `pid starttime`
//   wharf-wal-ahead/want                the segment where it shall go on
//   wharf-wal-ahead/.…                  being written
//
// Nothing here is fsynced: what a crash leaves does not have its checksum.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

import { codeOf } from '../../../base/errors.ts'
import { posixCksum } from './cksum.ts'

/** Within a data directory. Restore script and PostgreSQL both work there. */
export const spoolName = 'wharf-wal-ahead'

const SPOOLED = /^([0-9A-F]{24})\.(\d+)$/

export interface Laid {
  readonly temporary: string
  readonly segment: string
  readonly cksum: number
}

export class Spool {
  readonly folder: string

  constructor(dataDirectory: string) {
    this.folder = join(dataDirectory, spoolName)
  }

  create(): void {
    mkdirSync(this.folder, { mode: 0o700, recursive: true })
  }

  /** Names of segments, in no order. */
  segments(): readonly string[] {
    return readdirSync(this.folder).flatMap((name) => SPOOLED.exec(name)?.[1] ?? [])
  }

  /** Written, and nothing to others yet. Any thread. */
  lay(segment: string, bytes: Uint8Array): Laid {
    const temporary = join(this.folder, `.${segment}-${process.pid}`)
    try {
      const descriptor = openSync(temporary, 'w', 0o600)
      try {
        for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
      } finally {
        closeSync(descriptor)
      }
      return { temporary, segment, cksum: posixCksum(bytes) }
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
  }

  /** It appears whole, with its checksum. */
  publish({ temporary, segment, cksum }: Laid): void {
    renameSync(temporary, join(this.folder, `${segment}.${cksum}`))
    this.notComing(segment)
  }

  coming(segment: string): void {
    writeFileSync(join(this.folder, `${segment}.coming`), '', { mode: 0o600 })
  }

  notComing(segment: string): void {
    rmSync(join(this.folder, `${segment}.coming`), { force: true })
  }

  drop(segment: string): void {
    for (const name of readdirSync(this.folder))
      if (SPOOLED.exec(name)?.[1] === segment) rmSync(join(this.folder, name), { force: true })
  }

  /** All but who may fetch, from where, and that `segment` is coming. */
  clear(segment: string): void {
    const kept = ['lock', 'want', `${segment}.coming`]
    for (const name of readdirSync(this.folder))
      if (!kept.includes(name)) rmSync(join(this.folder, name), { force: true })
  }

  /** In one step, so that whoever still writes there finds no folder. */
  remove(): void {
    const gone = `${this.folder}-${process.pid}`
    try {
      renameSync(this.folder, gone)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    rmSync(gone, { recursive: true, force: true })
  }

  read(name: 'lock' | 'want'): string | undefined {
    try {
      return readFileSync(join(this.folder, name), 'utf8').trim()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Read once. */
  takeWanted(): string | undefined {
    const wanted = this.read('want')
    if (wanted !== undefined) rmSync(join(this.folder, 'want'), { force: true })
    return wanted
  }

  write(name: 'lock' | 'want', content: string): void {
    const temporary = join(this.folder, `.${name}-${process.pid}`)
    writeFileSync(temporary, `${content}\n`, { mode: 0o600 })
    renameSync(temporary, join(this.folder, name))
  }
}
