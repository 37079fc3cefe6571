// Reads extents as a restore does and writes nothing: seals, checksums, names, block lists. Runs in a restoring thread. Goes on behind damage.
import { freeNow } from '../../base/freed-memory.ts'
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { ExtentReader } from '../../repository/contract.ts'
import type { WriteTask } from '../restore/messages.ts'
import { checkExtent } from '../restore/write-extents.ts'
import { encodeDamage } from './messages.ts'

interface Tools {
  readonly reader: ExtentReader
  readonly backup: string
  throwIfStopped(): void
  count(index: 0, bytes: number): void
}

export async function authenticate(
  task: Pick<WriteTask, 'pack' | 'targets' | 'items'>,
  tools: Tools,
): Promise<readonly string[]> {
  const found: string[] = []
  for (let at = 0; at < task.items.length;) {
    try {
      for await (const { plain, blocks } of tools.reader.read(
        task.pack,
        task.items.slice(at).map((item) => ({ ref: item.ref, file: task.targets[item.target]!.file })),
        new AbortController().signal,
      )) {
        tools.throwIfStopped()
        const item = task.items[at]!
        checkExtent(task.targets[item.target]!, { item, plain, blocks, backup: tools.backup })
        tools.count(0, plain.length)
        freeNow(plain)
        at++
      }
    } catch (error) {
      // A store that does not answer says nothing about what it holds.
      if (!isWharfError(error) || error.exit !== 'damaged') throw error
      const { ref, runs, target } = task.items[at]!
      const { file } = task.targets[target]!
      found.push(
        encodeDamage({ file, blocks: blocksOf(runs), pack: task.pack, extent: ref.number, why: messageOf(error) }),
      )
      tools.count(0, ref.plainBytes)
      at++
    }
  }
  return found
}

function blocksOf(runs: readonly number[] | undefined): readonly number[] | undefined {
  if (!runs) return undefined
  const blocks: number[] = []
  for (let at = 0; at < runs.length; at += 3)
    for (let index = 0; index < runs[at + 1]!; index++) blocks.push(runs[at + 2]! + index)
  return blocks.sort((one, other) => one - other)
}
