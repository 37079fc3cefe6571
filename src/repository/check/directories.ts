// Directories of packs, read when wanted and kept for a while: what maps and plain files are compared with.
import type { ExtentRef } from '../contract.ts'
import { readDirectory, type DirectoryEntry } from '../object/decode.ts'
import { decodeExtentLabel } from '../pack/label.ts'
import { packName } from '../pack/names.ts'
import { readTrimmed, trimmedOf } from '../pack/trimmed.ts'
import { storeErrors as errors } from '../store-errors.ts'
import type { CheckTools } from './findings.ts'

/** About 50 entries of 200 bytes each. */
const KEPT_PACKS = 2000

export interface ExtentFacts {
  readonly file: string
  readonly blocks: Uint32Array
}

export class PackDirectories {
  private readonly tools: CheckTools
  private readonly kept = new Map<string, Promise<readonly DirectoryEntry[] | undefined>>()

  constructor(tools: CheckTools) {
    this.tools = tools
  }

  /** Undefined where the pack is missing or damaged; that is a finding then. */
  directory(pack: string): Promise<readonly DirectoryEntry[] | undefined> {
    const known = this.kept.get(pack)
    if (known) return known
    const { store, findings, signal } = this.tools
    const read = findings.attemptAny(packName(pack), { store, signal }, async (name) => {
      const info = await store.stat(name, { signal })
      const trimmed = info ? undefined : await this.trimmedEntries(pack)
      if (trimmed) return trimmed
      if (!info) throw errors.objectMissing({ name, location: store.location }, { place: { object: name } })
      const { entries } = await readDirectory(name, 'pack', { ...this.tools, objectBytes: info.bytes })
      return entries
    })
    if (this.kept.size >= KEPT_PACKS) this.kept.delete(this.kept.keys().next().value!)
    this.kept.set(pack, read)
    return read
  }

  /** By number and place in the original pack, as references name them; undefined where it was not trimmed. */
  private async trimmedEntries(pack: string): Promise<readonly DirectoryEntry[] | undefined> {
    const entries: DirectoryEntry[] = []
    const all = await trimmedOf(pack, this.tools)
    for (const object of all) {
      const { extents } = await readTrimmed(object, this.tools)
      for (const [number, { label, plainBytes, was }] of extents)
        entries[number] ??= { type: 'extent', label, plainBytes, ...was }
    }
    return all.length === 0 ? undefined : entries
  }

  /** What the extent says it holds. A string says why the reference is wrong; undefined: the pack itself is a finding. */
  async facts(ref: ExtentRef): Promise<ExtentFacts | string | undefined> {
    const entries = await this.directory(ref.pack)
    if (!entries) return undefined
    const entry = entries[ref.number]
    const at = `extent ${ref.number} of pack ${ref.pack}`
    if (!entry) return `${at} is not there`
    if (entry.offset !== ref.offset || entry.storedBytes !== ref.storedBytes || entry.plainBytes !== ref.plainBytes) {
      return `${at} lies elsewhere than referred to`
    }
    return decodeExtentLabel(entry.label, at)
  }
}
