// Names of tables as people write them: `orders`, `sales.orders`, `dwh.sales.orders`, `"Odd.Name"`.
import { whenErrors as errors } from './errors.ts'

export interface AskedName {
  readonly database: string | undefined
  readonly schema: string
  readonly name: string
}

/** A part without quotes is folded to lower case, as SQL does it. */
export function parseRelationName(text: string): AskedName {
  const parts: string[] = []
  const pattern = /(?:"((?:[^"]|"")+)"|([^".\s]+))(\.|$)/y
  for (;;) {
    const match = pattern.exec(text)
    if (!match) throw errors.badRelationName(text)
    parts.push(match[1] === undefined ? match[2]!.toLowerCase() : match[1].replaceAll('""', '"'))
    if (match[3] === '') break
  }
  const [name, schema = 'public', database, ...more] = parts.toReversed()
  if (name === undefined || more.length > 0) throw errors.badRelationName(text)
  return { database, schema, name }
}
