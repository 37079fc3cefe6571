import { z } from 'zod'

import { formatTime } from '../../base/clock.ts'
import { toJson } from '../../base/json.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatPairs } from '../../base/table.ts'
import { formatSize } from '../../base/units.ts'
import { declaredRepository } from '../config.ts'
import type { MappedRelation } from '../contract.ts'
import { inspectObject } from '../inspect/inspect.ts'
import { formatRelations, type ShownFile } from '../inspect/relation-map.ts'
import { KeyRing } from '../keys/ring.ts'
import { openKeys } from '../keys/store.ts'
import { openStore } from '../stores.ts'

/** Items of each list that the text shows; `--json` has all. */
const SHOWN = 20

export const inspect = defineOperation({
  name: 'repository inspect',
  summary: 'print any stored object, decoded',
  description:
    'Names are those of the files under the folder of the repository, for example format, manifests/<warehouse>/<id>, packs/ab/<id>, wal/<system>/<timeline>/….\n\nShows key slots without their secrets, the directory of a pack, the maps of a bundle, a manifest, the index of a WAL chunk. --json prints all of it.',
  input: z.object({
    object: z.string().describe('Name of the object.'),
    repository: z.string().optional().describe('May be left out where only one is declared.'),
  }),
  positional: ['object'],
  output: z.object({
    object: z.string(),
    bytes: z.number(),
    modifiedMs: z.number(),
    kind: z.string(),
    content: z.record(z.string(), z.unknown()),
  }),
  role: 'operator',
  danger: 'none',
  errors: ['repository.unknown', 'repository.unknown-object', 'repository.damaged-object', 'repository.wrong-key'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { descriptor, unlock } = declaredRepository(context, input.repository)
    const store = await openStore(descriptor, signal)
    const ring = new KeyRing(await openKeys({ store, signal }, unlock))
    return inspectObject(input.object, { store, ring, signal })
  },
  text: (one) => {
    const pairs: [string, string][] = [
      ['object', one.object],
      ['kind', one.kind],
      ['size', formatSize(one.bytes)],
      ['stored', formatTime(one.modifiedMs)],
    ]
    const lists: string[] = []
    for (const [key, value] of Object.entries(one.content)) {
      if (one.kind === 'manifest' && key === 'relations') continue
      if (!Array.isArray(value)) pairs.push([key, typeof value === 'string' ? value.trimEnd() : toJson(value)])
      else lists.push('', `${key}: ${value.length}`, ...value.slice(0, SHOWN).map((item) => `  ${toJson(item)}`))
      if (Array.isArray(value) && value.length > SHOWN)
        lists.push(`  … and ${value.length - SHOWN} more (--json prints all)`)
    }
    if (one.kind === 'manifest') {
      const { relations, files } = one.content as { relations: MappedRelation[]; files: ShownFile[] }
      lists.push('', `relations: ${relations.length}`, formatRelations(relations, files))
    }
    return [formatPairs(pairs), ...lists].join('\n')
  },
})
