// What a failure means to people: of a damaged extent the file, its blocks and the table; of bad pages each one.
import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Manifest, Repository } from '../../repository/contract.ts'
import { BLOCKS_PER_SEGMENT } from '../../wal/contract.ts'
import type { Finding } from './evidence.ts'

export interface DamageParts {
  readonly repository: Pick<Repository, 'readMaps'>
  readonly manifest: Pick<Manifest, 'files' | 'relations'>
  readonly signal: AbortSignal
}

/** `parts` is undefined where it failed before a backup was chosen. */
export async function findingsOf(error: unknown, parts: DamageParts | undefined): Promise<readonly Finding[]> {
  const message = messageOf(error)
  if (isWharfError(error, 'repository.damaged-extent') && parts) return [await ofExtent(message, parts)]
  if (isWharfError(error, 'recovery.verify-failed')) return ofPages(message, parts)
  if (isWharfError(error) && error.code.startsWith('repository.')) return [{ check: 'repository', message }]
  const isHere = isWharfError(error) && (error.exit === 'environment' || error.exit === 'denied')
  return [{ check: isHere ? 'environment' : 'recovery', message }]
}

/** The words of `repository.damaged-extent`; a test holds them against the error itself. */
const EXTENT = /^extent (\d+) of pack ([0-9a-f]+), which holds blocks of (.+), is damaged: /

async function ofExtent(message: string, parts: DamageParts): Promise<Finding> {
  const match = EXTENT.exec(message)
  if (!match) return { check: 'repository', message }
  const [, number, pack, path] = match
  const blocks = await blocksOf(path!, { pack: pack!, number: Number(number) }, parts)
  return {
    check: 'repository',
    message,
    file: path!,
    ...(blocks === undefined ? {} : { blocks }),
    ...relationOf(path!, parts),
  }
}

/** Blocks of a segment file that an extent holds, as the backup's own map says: `0–31, 64`. */
async function blocksOf(
  path: string,
  extent: { pack: string; number: number },
  { manifest, repository, signal }: DamageParts,
): Promise<string | undefined> {
  const file = manifest.files.find((one) => one.path === path)
  if (file?.kind !== 'segment') return undefined
  const [map] = await repository.readMaps([file.map], signal).catch(() => [])
  const at = map?.extents.findIndex((one) => one.pack === extent.pack && one.number === extent.number) ?? -1
  if (!map || at < 0) return undefined
  const runs = map.runs.filter((one) => one.extent === at).toSorted((a, b) => a.block - b.block)
  const joined: { from: number; to: number }[] = []
  for (const { block, count } of runs) {
    const last = joined.at(-1)
    if (last?.to === block - 1) last.to = block + count - 1
    else joined.push({ from: block, to: block + count - 1 })
  }
  return joined.map(({ from, to }) => (from === to ? String(from) : `${from}–${to}`)).join(', ')
}

function relationOf(path: string, parts: Pick<DamageParts, 'manifest'>): { relation?: string } {
  const match = /(?:^|\/)(\d+)\/(\d+)(?:_\w+)?(?:\.\d+)?$/.exec(path)
  const found =
    match &&
    parts.manifest.relations.find(
      (one) => one.databaseOid === Number(match[1]) && one.file.relfilenode === Number(match[2]),
    )
  return found ? { relation: `${found.database}.${found.schema}.${found.name}` } : {}
}

const PAGE = /^(\S+) block (\d+): bad (?:checksum|header)$/
const CUT = /^(\S+) ends within block (\d+)$/
/** PostgreSQL's own complaint; it numbers blocks within the fork. */
const INVALID = /invalid page in block (\d+) of relation "?([^\s",;]+)/
const FAILED = /^the recovered cluster is not whole: /

/** The findings of `recovery.verify-failed`: bad pages name file and block, those of amcheck the relation. */
function ofPages(message: string, parts: DamageParts | undefined): readonly Finding[] {
  return message
    .replace(FAILED, '')
    .split('; ')
    .map((text): Finding => {
      const [, file, block] = PAGE.exec(text) ?? CUT.exec(text) ?? []
      if (file === undefined) return ofAmcheck(text, parts)
      return { check: 'pages', message: text, file, blocks: block!, ...(parts ? relationOf(file, parts) : {}) }
    })
}

function ofAmcheck(text: string, parts: DamageParts | undefined): Finding {
  const [, block, path] = INVALID.exec(text) ?? []
  if (path === undefined) return ofHeap(text, parts)
  return { check: 'pages', message: text, ...placeOf(path, Number(block), parts) }
}

/** What amcheck says of a block of a table: `retail: sales (base/5/16385) block 37: …`. */
const HEAP = /^[^:]+: .+ \((\S+)\) block (\d+): /

function ofHeap(text: string, parts: DamageParts | undefined): Finding {
  const [, path, block] = HEAP.exec(text) ?? []
  if (path === undefined) return { check: 'amcheck', message: text }
  return { check: 'amcheck', message: text, ...placeOf(path, Number(block), parts) }
}

/** A block of a fork as file and block of that file. */
function placeOf(path: string, block: number, parts: DamageParts | undefined): Omit<Finding, 'check' | 'message'> {
  const segment = Math.floor(block / BLOCKS_PER_SEGMENT)
  const file = segment === 0 ? path : `${path}.${segment}`
  return { file, blocks: String(block % BLOCKS_PER_SEGMENT), ...(parts ? relationOf(file, parts) : {}) }
}

/** `block 17 of base/5/16385 (retail.public.sales): …`, for messages. Numbers count within the file. */
export function findingText(one: Finding): string {
  const relation = one.relation === undefined ? '' : ` (${one.relation})`
  if (one.file === undefined) return `${one.relation === undefined ? '' : `${one.relation}: `}${one.message}`
  const blocks = one.blocks === undefined ? '' : `${/^\d+$/.test(one.blocks) ? 'block' : 'blocks'} ${one.blocks} of `
  return `${blocks}${one.file}${relation}: ${one.message}`
}
