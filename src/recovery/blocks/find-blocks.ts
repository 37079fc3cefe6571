// From what was named to single blocks.
import { blockErrors as errors } from './errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { BLOCKS_PER_SEGMENT, type ForkName } from '../../wal/contract.ts'
import { parseRelationName } from '../when/relation-name.ts'
import { pathOf } from '../when/relation-path.ts'
import { relationByName } from './live-table.ts'
import type { HealPlace } from './place.ts'
import { badBlocks } from './scan.ts'
import { parseBlocks, parseFile, wantedBlock, type ParsedFile, type WantedBlock } from './wanted.ts'

export interface BlockNames {
  /** `schema.name` or `schema.name:7,12`. */
  readonly relation?: readonly string[] | undefined
  readonly database?: string | undefined
  readonly fork: ForkName
  /** `base/5/16384` or `base/5/16384:7,12`. */
  readonly file?: readonly string[] | undefined
  /** Of those that do not say. */
  readonly block?: string | undefined
  readonly fromCheck: boolean
}

interface FindParts {
  readonly place: HealPlace
  /** The newest backup: its list of bad blocks, and names where no server runs. */
  readonly manifest: Manifest
  readonly signal: AbortSignal
}

/** Without `block` the whole fork is looked through. */
export async function findBlocks(names: BlockNames, parts: FindParts): Promise<readonly WantedBlock[]> {
  const found = new Map<string, WantedBlock>()
  const add = (block: WantedBlock): void => void found.set(`${block.path}:${block.inFile}`, block)
  if (names.fromCheck)
    for (const one of parts.manifest.corrupt) if (isHealed(one.file)) add(corruptBlock(one, parts.manifest))
  for (const named of await namedFiles(names, parts)) {
    const { parsed, relation, asked } = named
    // Before the search, so that a map is refused at once.
    wantedBlock({ parsed, relation, block: 0 })
    const blocks =
      asked === undefined
        ? await badBlocks({
            dataDirectory: parts.place.dataDirectory,
            first: parsed.first,
            checksums: parts.place.control.dataChecksumVersion === 1,
            signal: parts.signal,
          })
        : parseBlocks(asked).map((one) => one + parsed.segment * BLOCKS_PER_SEGMENT)
    for (const block of blocks) add(wantedBlock({ parsed, relation, block }))
  }
  return [...found.values()]
}

function isHealed(path: string): boolean {
  const { fork } = parseFile(path)
  return fork === 'main' || fork === 'init'
}

function corruptBlock(one: Manifest['corrupt'][number], manifest: Manifest): WantedBlock {
  const parsed = parseFile(one.file)
  const block = parsed.segment * BLOCKS_PER_SEGMENT + one.block
  return wantedBlock({ parsed, block, relation: nameOf(parsed, manifest) })
}

function nameOf({ file, first }: ParsedFile, manifest: Manifest): string {
  const found = manifest.relations.find(
    (one) => one.file.relfilenode === file.relfilenode && one.file.database === file.database,
  )
  return found ? `${found.schema}.${found.name}` : first
}

interface NamedFile {
  readonly parsed: ParsedFile
  readonly relation: string
  /** List of blocks as it was written; undefined: the whole fork is looked through. */
  readonly asked: string | undefined
}

async function namedFiles(names: BlockNames, parts: FindParts): Promise<readonly NamedFile[]> {
  const { relation: relations = [], file: files = [] } = names
  if (relations.length + files.length === 0 && !names.fromCheck) throw errors.noBlocks({})
  const found: NamedFile[] = []
  for (const text of files) {
    const { name, asked = names.block } = withBlocks(text)
    const parsed = parseFile(name)
    found.push({ parsed, relation: nameOf(parsed, parts.manifest), asked })
  }
  const fork = names.fork === 'main' ? '' : `_${names.fork}`
  for (const text of relations) {
    const { name, asked = names.block } = withBlocks(text)
    const relation = parseRelationName(name)
    const path = await pathByName({ ...relation, database: names.database ?? relation.database }, parts)
    found.push({ parsed: parseFile(`${path}${fork}`), relation: `${relation.schema}.${relation.name}`, asked })
  }
  return found
}

/** `sales.orders:7,12` → name and list. */
function withBlocks(text: string): { name: string; asked: string | undefined } {
  const match = /^(.*):([\d,\s-]+)$/.exec(text)
  return match ? { name: match[1]!, asked: match[2] } : { name: text, asked: undefined }
}

async function pathByName(
  asked: { database: string | undefined; schema: string; name: string },
  { place, manifest, signal }: FindParts,
): Promise<string> {
  const relation = `${asked.schema}.${asked.name}`
  if (place.kind === 'online') {
    const { database } = asked
    await using session = await place.warehouse.connect({
      purpose: 'heal',
      signal,
      ...(database === undefined ? {} : { database }),
    })
    const found = await relationByName(session, asked)
    if (found?.path) return found.path
    if (found) throw errors.blockNoStorage(relation)
    throw errors.unknownBlockRelation({ relation, database: database ?? session.client.database ?? '' })
  }
  const found = manifest.relations.filter(
    (one) =>
      one.schema === asked.schema &&
      one.name === asked.name &&
      (asked.database === undefined || one.database === asked.database),
  )
  if (found.length === 1) return pathOf(found[0]!.file, manifest)
  throw errors.unknownBlockRelation({
    relation,
    database: asked.database ?? found.map((one) => one.database).join(', '),
  })
}
