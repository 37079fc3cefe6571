// Notes in the repository what a backup has stored so far, now and then, for the one that would have to go on after its death.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { BackupWriter } from '../../repository/contract.ts'
import type { BackupProgress } from '../../repository/progress-contract.ts'

/** A backup that is over sooner leaves no note: it is soon done again. */
export const NOTE_EVERY_MS = 10_000

export interface NotingOptions {
  readonly writer: BackupWriter
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
  readonly everyMs: number
}

/** Disposing waits for the note that is on its way. A note that fails is no reason to fail. */
export class Noting implements AsyncDisposable {
  private readonly options: NotingOptions
  private about: Omit<BackupProgress, 'packs'> | undefined
  private packs: string[] = []
  private lastAt: number
  private writing: Promise<void> | undefined

  constructor(options: NotingOptions) {
    this.options = options
    this.lastAt = options.clock.monotonic()
  }

  begin(about: Omit<BackupProgress, 'packs'>): void {
    this.about = about
  }

  /** A pack has ended: it is in the store under its name. */
  add(pack: string): void {
    this.packs.push(pack)
    const { clock, everyMs } = this.options
    if (this.about === undefined || this.writing || clock.monotonic() - this.lastAt < everyMs) return
    this.lastAt = clock.monotonic()
    const packs = this.packs
    this.packs = []
    this.writing = this.write({ ...this.about, packs }).finally(() => {
      this.writing = undefined
    })
  }

  private async write(progress: BackupProgress): Promise<void> {
    const { writer, log, signal } = this.options
    try {
      await writer.noteProgress(progress, signal)
    } catch (error) {
      // They go with the next one.
      this.packs.unshift(...progress.packs)
      log.debug({ reason: messageOf(error) }, 'progress of the backup was not noted')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.about = undefined
    await this.writing
  }
}
