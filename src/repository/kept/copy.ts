// Kept loads from one repository into another: the same contents under the names that they have there.
import { messageOf } from '../../base/errors.ts'
import type { Progress } from '../../base/operation.ts'
import { isDamage } from '../check/findings.ts'
import type { Manifest } from '../contract.ts'
import { errors } from '../errors.ts'
import type { KeptContent, KeptLoad, KeptStep } from '../kept-contract.ts'
import { revive } from '../prune/revive.ts'
import { tablesOf } from '../prune/roots.ts'
import { readStanding } from '../prune/standing.ts'
import type { StoredRepository } from '../stored.ts'
import { whyNeeded } from './expiry.ts'
import { piecesOf, readKeptIfThere } from './head.ts'
import { keptName } from './names.ts'

export interface KeptCopy {
  readonly from: StoredRepository
  readonly to: StoredRepository
  readonly report?: (event: Progress) => void
  readonly signal: AbortSignal
}

/** Those that a recovery from the backup may need and that are not there yet. Rejects with `repository.kept-not-copied`. */
export async function copyKept(copy: KeptCopy, manifest: Manifest): Promise<number> {
  const { from, to, report, signal } = copy
  const loads = await from.kept.list(manifest.warehouse, signal)
  if (loads.length === 0) return 0
  const why = whyNeeded({ staying: [{ ...manifest, ...tablesOf(manifest) }], loads })
  const needed = loads.filter((load) => why(load) !== undefined)
  await reviveThere(needed, copy, manifest)
  const wanted: KeptLoad[] = []
  for (const load of needed) {
    if (!(await to.store.stat(keptName(load.warehouse, load.id), { signal }))) wanted.push(load)
  }
  if (wanted.length === 0) return 0
  const { warehouse } = manifest
  await using writer = await to.kept.begin({ warehouse, purpose: 'copy of kept loads', signal })
  for (const [index, load] of wanted.entries()) {
    report?.({ phase: 'copying kept loads', done: index, total: wanted.length, unit: 'count', note: load.id })
    try {
      await writer.commit(await translated(load, (content) => copyContent(content, { from, writer, signal })))
    } catch (error) {
      if (!isDamage(error)) throw error
      throw errors.keptNotCopied(
        { load: load.id, location: to.store.location, why: messageOf(error) },
        { cause: error },
      )
    }
  }
  return wanted.length
}

/** What is there already, under a tombstone, is taken out of it with its pieces: nobody would find it, and it would go. */
async function reviveThere(
  needed: readonly KeptLoad[],
  { to, signal }: KeptCopy,
  { id, madeBy }: Manifest,
): Promise<void> {
  const options = to.readOptions(signal)
  const standing = await readStanding(options)
  const names: string[] = []
  for (const { warehouse, id: load } of needed) {
    const name = keptName(warehouse, load)
    const there = standing.dead.has(name) && (await readKeptIfThere(name, options))
    if (there) names.push(name, ...piecesOf(there).filter((piece) => standing.dead.has(piece)))
  }
  const why = { by: madeBy, reason: `needed by ${id}`, what: `what is kept of loads for ${id}`, standing }
  await revive(names, why, options)
}

async function copyContent(
  content: KeptContent,
  of: {
    from: StoredRepository
    writer: { content(): { write(bytes: Buffer): Promise<void>; finish(): Promise<KeptContent> } }
    signal: AbortSignal
  },
): Promise<KeptContent> {
  const target = of.writer.content()
  for await (const bytes of of.from.kept.read(content, of.signal)) await target.write(bytes)
  return await target.finish()
}

/** The same load with other references. */
export async function translated(
  load: KeptLoad,
  content: (of: KeptContent) => Promise<KeptContent>,
): Promise<KeptLoad> {
  const steps: KeptStep[] = []
  for (const step of load.steps)
    steps.push('content' in step ? { ...step, content: await content(step.content) } : step)
  return { ...load, steps }
}
