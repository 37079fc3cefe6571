// Changes to wharf.yaml by commands: comments, order and everything else stay.
import { readFile, stat } from 'node:fs/promises'

import { isMap, parseDocument, type Document } from 'yaml'

import { writeFileDurably } from './durable.ts'
import { codeOf, defineErrors, messageOf } from './errors.ts'

const errors = defineErrors('config', {
  notEditable: {
    exit: 'configuration',
    message: (at: { file: string; reason: string }) => `${at.file} cannot be edited: ${at.reason}`,
    hint: () => 'mend it by hand first; wharf config check shows what is wrong',
  },
})

/** The file as a document; an empty one where there is no file. Rejects with `config.not-editable` where it is no sound YAML. */
export async function readConfigFile(file: string): Promise<Document> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw errors.notEditable({ file, reason: messageOf(error) }, { cause: error })
  })
  const document = parseDocument(text, { stringKeys: true })
  const [first] = document.errors
  if (first) throw errors.notEditable({ file, reason: first.message.split('\n')[0] ?? '' })
  if (document.contents === null) document.contents = document.createNode({}) as never
  if (!isMap(document.contents)) throw errors.notEditable({ file, reason: 'it is no mapping of keys to values' })
  return document
}

/** Replaces the file as a whole; its mode stays, a new one is for its owner only. */
export async function writeConfigFile(file: string, document: Document): Promise<void> {
  const mode = await stat(file).then(
    (about) => about.mode & 0o777,
    () => 0o600,
  )
  await writeFileDurably(file, document.toString({ lineWidth: 0 }), mode)
}

/** Puts `entry` under `name` into a section that maps names to entries; makes the section where it is missing. */
export function addEntry(
  document: Document,
  [section, name]: readonly [section: string, name: string],
  entry: Readonly<Record<string, unknown>>,
): void {
  // `warehouses:` with nothing below it is a null, not a mapping.
  if (!isMap(document.get(section, true))) document.set(section, document.createNode({}))
  document.setIn([section, name], document.createNode(entry))
}

/** Takes `name` out of a section, and the section too where that leaves it empty. */
export function removeEntry(document: Document, [section, name]: readonly [section: string, name: string]): void {
  document.deleteIn([section, name])
  const left = document.get(section, true)
  if (isMap(left) && left.items.length === 0) document.delete(section)
}
