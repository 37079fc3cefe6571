// The evidence of this home's drills: `drills/000001.json` and on. Each document carries the hash of the one before it, and a signed head says how
// many there are: what was edited, removed or put in shows.
import { isUtf8 } from 'node:buffer'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import { codeOf } from '../../base/errors.ts'
import type { Evidence } from './evidence.ts'
import { evidenceSchema } from './shapes.ts'
import {
  createDurably,
  digestOf,
  fingerprintOf,
  makeSigner,
  openSealed,
  readSigner,
  sealed,
  type Signer,
} from './seal.ts'

const headName = 'head.json'
const noPrevious = '0'.repeat(64)
/** Drills that end in the same moment take one number after the other. */
const mostTries = 100

export function drillsFolder(home: string): string {
  return join(home, 'drills')
}

function nameOf(number: number): string {
  return `${String(number).padStart(6, '0')}.json`
}

export interface KeptDrill {
  readonly number: number
  /** Undefined where the document cannot be read. */
  readonly evidence: Evidence | undefined
  /** Of the document's bytes. */
  readonly digest: string
  /** What is wrong with the document; empty for one that is as it was written. */
  readonly problems: readonly string[]
}

export interface Archive {
  /** Oldest first. */
  readonly drills: readonly KeptDrill[]
  /** What is wrong with the chain as a whole: documents that are missing. */
  readonly problems: readonly string[]
  /** Of the key that signs here; undefined where none was made. */
  readonly fingerprint: string | undefined
}

/** Seals and keeps a document; resolves to it with its number. */
export async function keepEvidence(
  home: string,
  evidence: Omit<Evidence, 'number' | 'previous'>,
): Promise<{ evidence: Evidence; digest: string }> {
  const folder = drillsFolder(home)
  const signer = await makeSigner(folder)
  for (let tries = 0; tries < mostTries; tries++) {
    const texts = await readTexts(folder)
    const last = texts.at(-1)
    const number = (last?.number ?? 0) + 1
    const previous = last === undefined ? noPrevious : digestOf(last.text)
    const numbered: Evidence = { ...evidence, number, previous }
    const text = sealed(numbered, signer)
    if (!(await createDurably(join(folder, nameOf(number)), text, folder))) continue
    const digest = digestOf(text)
    await writeHead(folder, { number, digest, warehouse: evidence.warehouse, at: evidence.finishedAt }, signer)
    return { evidence: numbered, digest }
  }
  throw new Error('the evidence of a drill finds no number')
}

interface Text {
  readonly number: number
  readonly text: string
}

async function readTexts(folder: string): Promise<readonly Text[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const numbers = names.flatMap((name) => (/^\d{6}\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
  return await Promise.all(
    numbers
      .toSorted((a, b) => a - b)
      .map(async (number) => ({ number, text: textOf(await readFile(join(folder, nameOf(number)))) })),
  )
}

/** Several sequences of bytes that are no UTF-8 read alike: then it counts as empty, which is no document. */
function textOf(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : ''
}

interface Head {
  readonly number: number
  readonly digest: string
  readonly warehouse: string
  readonly at: string
}

/** Sealed like a document, so that it cannot be set back but to a head that there was. */
async function writeHead(folder: string, head: Head, signer: Signer): Promise<void> {
  await writeFileDurably(join(folder, headName), sealed(head as unknown as Evidence, signer))
}

async function readHead(folder: string, signer: Signer | undefined): Promise<Head | string | undefined> {
  const text = await readFile(join(folder, headName), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const opened = openSealed(text)
  if (!opened.whole) return `${headName}: ${opened.why}`
  if (opened.publicKey !== signer?.publicKey) return `${headName} is signed by another key than this home's`
  return opened.evidence as unknown as Head
}

export async function readArchive(home: string): Promise<Archive> {
  const folder = drillsFolder(home)
  const signer = await readSigner(folder)
  const texts = await readTexts(folder)
  const drills: KeptDrill[] = []
  let previous: Text | undefined
  for (const one of texts) {
    drills.push(judged(one, { previous, signer }))
    previous = one
  }
  const fingerprint = signer && fingerprintOf(signer.publicKey)
  return { drills, problems: await chainProblems(folder, { texts, signer }), fingerprint }
}

function judged(one: Text, at: { previous: Text | undefined; signer: Signer | undefined }): KeptDrill {
  const opened = openSealed(one.text)
  const digest = digestOf(one.text)
  if (!opened.whole) return { number: one.number, evidence: readable(opened.evidence), digest, problems: [opened.why] }
  const { evidence, publicKey } = opened
  const expected = at.previous === undefined ? noPrevious : digestOf(at.previous.text)
  const problems = [
    ...(publicKey === at.signer?.publicKey
      ? []
      : [`it is signed by another key than this home's (${fingerprintOf(publicKey)})`]),
    ...(evidence.number === one.number ? [] : [`it is number ${evidence.number}, kept as ${one.number}`]),
    ...(evidence.previous === expected || !isNext(one, at.previous)
      ? []
      : ['the document before it is not the one that was there when it was written']),
  ]
  return { number: one.number, evidence, digest, problems }
}

/** What was edited may hold anything. */
function readable(evidence: unknown): Evidence | undefined {
  return evidenceSchema.safeParse(evidence).data
}

function isNext(one: Text, previous: Text | undefined): boolean {
  return one.number === (previous?.number ?? 0) + 1
}

async function chainProblems(
  folder: string,
  { texts, signer }: { texts: readonly Text[]; signer: Signer | undefined },
): Promise<readonly string[]> {
  const head = await readHead(folder, signer)
  const numbers = new Set(texts.map((one) => one.number))
  const last = texts.at(-1)?.number ?? 0
  const until = Math.max(last, typeof head === 'object' ? head.number : 0)
  const missing = Array.from({ length: until }, (_, index) => index + 1).filter((number) => !numbers.has(number))
  const headProblem =
    typeof head === 'string' ? [head] : head === undefined && texts.length > 0 ? [`${headName} is missing`] : []
  const named = typeof head === 'object' ? texts.find((one) => one.number === head.number) : undefined
  const replaced = typeof head === 'object' && named !== undefined && digestOf(named.text) !== head.digest
  return [
    ...headProblem,
    ...(replaced ? [`drill number ${named.number} is not the document that was written last`] : []),
    ...missing.map((number) => `drill number ${number} is missing`),
  ]
}
