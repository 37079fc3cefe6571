// Changes to the section `warehouses` of wharf.yaml that keep comments, order and everything else.
import { readFile, stat } from 'node:fs/promises'

import { isMap, parseDocument, type Document } from 'yaml'

import { writeFileDurably } from '../base/durable.ts'
import { codeOf, messageOf } from '../base/errors.ts'
import { warehouseErrors } from './errors.ts'

/** The file as a document; an empty one where there is no file. Rejects with `warehouse.bad-file` where it is no sound YAML. */
export async function readConfigFile(file: string): Promise<Document> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw warehouseErrors.badFile({ file, reason: messageOf(error) }, { cause: error })
  })
  const document = parseDocument(text, { stringKeys: true })
  const [first] = document.errors
  if (first) throw warehouseErrors.badFile({ file, reason: first.message.split('\n')[0] ?? '' })
  if (document.contents === null) document.contents = document.createNode({}) as never
  if (!isMap(document.contents)) throw warehouseErrors.badFile({ file, reason: 'it is no mapping of keys to values' })
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

export function declares(document: Document, name: string): boolean {
  return document.hasIn(['warehouses', name])
}

export function addEntry(document: Document, name: string, entry: Readonly<Record<string, unknown>>): void {
  // `warehouses:` with nothing below it is a null, not a mapping.
  if (!isMap(document.get('warehouses', true))) document.set('warehouses', document.createNode({}))
  document.setIn(['warehouses', name], document.createNode(entry))
}

export function removeEntry(document: Document, name: string): void {
  document.deleteIn(['warehouses', name])
  const left = document.get('warehouses', true)
  if (isMap(left) && left.items.length === 0) document.delete('warehouses')
}

/** Where else the document names the warehouse, e.g. `pipelines.weather.warehouse`; undefined where nothing does. */
export function otherUse(document: Document, name: string): string | undefined {
  const visit = (value: unknown, path: readonly string[]): string | undefined => {
    if (typeof value !== 'object' || value === null) return undefined
    for (const [key, inner] of Object.entries(value)) {
      if (path.length === 0 && key === 'warehouses') continue
      const here = [...path, key]
      const named =
        key === 'warehouse' ? inner === name : key === 'warehouses' && Array.isArray(inner) && inner.includes(name)
      if (named) return here.join('.')
      const below = visit(inner, here)
      if (below !== undefined) return below
    }
    return undefined
  }
  return visit(document.toJS(), [])
}
