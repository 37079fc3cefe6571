// Reads what files hold where the next extents of a task go, while these are fetched and decompressed.
import type { OpenFiles, ReadPiece } from './file-io.ts'
import type { WriteTask } from './messages.ts'
import { writeError } from './write-error.ts'
import { stretchOf } from './write-extents.ts'

/** Items whose reads are begun beforehand: with the one in hand half of the memory there is, as the next task begins its reads too. */
const AHEAD = 3

export class ReadAhead implements AsyncDisposable {
  private readonly task: WriteTask
  private readonly files: OpenFiles
  private readonly begun = new Map<number, Promise<ReadPiece>>()
  private next = 0

  constructor(task: WriteTask, files: OpenFiles) {
    this.task = task
    this.files = files
    this.begin(0)
  }

  /** What was read for the item, to be given back; undefined where nothing was. Items must be taken in order. */
  async take(index: number): Promise<ReadPiece | undefined> {
    this.begin(index)
    const reading = this.begun.get(index)
    this.begun.delete(index)
    try {
      return await reading
    } catch (error) {
      throw writeError(error, this.targetOf(index).path)
    }
  }

  private targetOf(index: number): WriteTask['targets'][number] {
    return this.task.targets[this.task.items[index]!.target]!
  }

  private begin(current: number): void {
    for (; this.next < this.task.items.length && this.next <= current + AHEAD; this.next++) {
      const target = this.targetOf(this.next)
      const stretch = target.over && stretchOf(this.task.items[this.next]!)
      if (!stretch) continue
      const reading = this.files.get(target.path).readAhead(stretch.length, stretch.position)
      if (!reading) continue
      reading.catch(() => undefined)
      this.begun.set(this.next, reading)
    }
  }

  /** Gives back what nobody took. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const reading of this.begun.values()) {
      await reading.then(
        (piece) => piece.give(),
        () => undefined,
      )
    }
    this.begun.clear()
  }
}
