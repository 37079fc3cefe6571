// What a repository holds, counted by walking its names.
import { joinRanges } from './wal/ranges.ts'
import { chunkInfo } from './wal/names.ts'
import type { Repository, WalChunkInfo, WalRange } from './contract.ts'

export interface KindFacts {
  readonly kind: string
  readonly objects: number
  readonly bytes: number
}

export interface RepositoryFacts {
  readonly kinds: readonly KindFacts[]
  readonly objects: number
  readonly bytes: number
  readonly wal: readonly {
    readonly systemIdentifier: bigint
    readonly ranges: readonly WalRange[]
    readonly chunks: number
  }[]
}

/** One listing of everything; no object is read. */
export async function countRepository(repository: Repository, signal: AbortSignal): Promise<RepositoryFacts> {
  const kinds = new Map<string, { objects: number; bytes: number }>()
  const chunks = new Map<bigint, WalChunkInfo[]>()
  for await (const object of repository.store.list('', { signal })) {
    const kind = object.name.split('/')[0]!
    const known = kinds.get(kind) ?? { objects: 0, bytes: 0 }
    kinds.set(kind, { objects: known.objects + 1, bytes: known.bytes + object.bytes })
    const chunk = chunkInfo(object)
    if (!chunk) continue
    const list = chunks.get(chunk.systemIdentifier)
    if (list) list.push(chunk)
    else chunks.set(chunk.systemIdentifier, [chunk])
  }
  const list = [...kinds].map(([kind, counted]) => ({ kind, ...counted }))
  return {
    kinds: list,
    objects: list.reduce((sum, one) => sum + one.objects, 0),
    bytes: list.reduce((sum, one) => sum + one.bytes, 0),
    wal: [...chunks].map(([systemIdentifier, some]) => ({
      systemIdentifier,
      ranges: joinRanges(some),
      chunks: some.length,
    })),
  }
}
