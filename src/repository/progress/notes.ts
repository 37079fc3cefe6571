// What a backup that is still being taken has stored so far, so that one that comes after its death can use it: small sealed objects
// `progress/<warehouse>/<backup>/<6 digits>` (doc/design/repository-format.md section 7c). They promise nothing: whoever uses what they name verifies it.
import { z } from 'zod'

import { isWharfError } from '../../base/errors.ts'
import { formatLsn, parseLsn } from '../../wal/lsn.ts'
import type { BackupProgress, InterruptedBackup } from '../progress-contract.ts'
import { isDamage } from '../check/findings.ts'
import { damaged, readObject, type ReadOptions } from '../object/decode.ts'
import { encodeObject } from '../object/encode.ts'

export const PROGRESS_PREFIX = 'progress/'
const NAME = /^progress\/([A-Za-z0-9_-]+)\/([A-Za-z0-9_-]+)\/(\d{6})$/

const AT_ONCE = 32

const bodySchema = z.strictObject({
  systemIdentifier: z.string().regex(/^\d{1,20}$/),
  timeline: z.int().positive(),
  startLsn: z.string(),
  catalogVersion: z.int().nonnegative(),
  dataChecksums: z.boolean(),
  packs: z.array(z.string().regex(/^[0-9a-f]{32}$/)),
})

export async function putProgress(
  at: { warehouse: string; id: string; number: number },
  progress: BackupProgress,
  { store, ring, signal }: ReadOptions,
): Promise<void> {
  const name = `${PROGRESS_PREFIX}${at.warehouse}/${at.id}/${String(at.number).padStart(6, '0')}`
  const body: z.input<typeof bodySchema> = {
    ...progress,
    packs: [...progress.packs],
    systemIdentifier: progress.systemIdentifier.toString(),
    startLsn: formatLsn(progress.startLsn),
  }
  const section = { type: 'progress', label: Buffer.alloc(0), plain: Buffer.from(JSON.stringify(body)) } as const
  await store.put(name, encodeObject(ring, { name, kind: 'progress' }, [section]), { signal })
}

/** Rejects with `repository.damaged-object`. */
export async function readProgress(name: string, options: ReadOptions): Promise<BackupProgress & { id: string }> {
  const id = NAME.exec(name)?.[2]
  if (id === undefined) throw damaged(name, 'its name is not one of a note of progress')
  const [section, ...others] = await readObject(name, 'progress', options)
  if (section?.type !== 'progress' || others.length > 0) throw damaged(name, 'it holds no note of progress')
  const parsed = bodySchema.safeParse(parse(section.plain))
  if (!parsed.success) throw damaged(name, 'its body is no note of progress')
  const { data } = parsed
  return { id, ...data, systemIdentifier: BigInt(data.systemIdentifier), startLsn: parseLsn(data.startLsn) }
}

function parse(plain: Buffer): unknown {
  try {
    return JSON.parse(plain.toString('utf8'))
  } catch {
    return undefined
  }
}

/** Oldest first. What is damaged, or went away meanwhile, is passed over. */
export async function listProgress(warehouse: string, options: ReadOptions): Promise<readonly InterruptedBackup[]> {
  const backups = new Map<string, InterruptedBackup & { packs: string[] }>()
  const read = async (name: string) => {
    try {
      return await readProgress(name, options)
    } catch (error) {
      if (isDamage(error) || isWharfError(error, 'repository.object-missing')) return undefined
      throw error
    }
  }
  for (const some of slices(await namesOf(warehouse, options))) {
    for (const note of await Promise.all(some.map(read))) {
      if (note === undefined) continue
      const known = backups.get(note.id)
      if (known) known.packs.push(...note.packs)
      else backups.set(note.id, { ...note, packs: [...note.packs] })
    }
  }
  return [...backups.values()]
}

/** Notes are of no use any more once a backup is complete. What cannot be removed costs a few bytes, and is passed over. */
export async function removeProgress(warehouse: string, options: ReadOptions): Promise<void> {
  for (const some of slices(await namesOf(warehouse, options)))
    await Promise.all(some.map((name) => options.store.remove(name, options)))
}

async function namesOf(warehouse: string, { store, signal }: ReadOptions): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list(`${PROGRESS_PREFIX}${warehouse}/`, { signal })) names.push(name)
  return names
}

/** A day's backup leaves thousands, and each costs a round trip. */
function slices(names: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(names.length / AT_ONCE) }, (_, at) =>
    names.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
  )
}
