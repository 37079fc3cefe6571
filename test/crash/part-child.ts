// A recovery of a part, or a drill, in a process of its own that is to be killed. Arguments as JSON; says `working` once it has begun.
import { join } from 'node:path'

import { restoreCopies } from '../../src/recovery/run-copies.ts'
import type { World } from '../backup/world.ts'
import { heal } from '../blocks/world.ts'
import { drill } from '../drills/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'
import type { Major } from '../support/postgres.ts'
import { recoverDatabase, recoverTable, recoverTablespace } from '../tables/recovering.ts'

export interface PartChild {
  readonly do: 'table' | 'tablespace' | 'database' | 'drill' | 'block' | 'copies'
  readonly folder: string
  readonly url: string
  readonly major: Major
  readonly wishes: object
}

const { do: what, folder, url, major, wishes } = JSON.parse(process.argv[2]!) as PartChild
// All that these need of a world.
const world = { folder, server: { url, major } } as unknown as World
process.stdout.write('working\n')
if (what === 'table') await recoverTable(world, wishes as Parameters<typeof recoverTable>[1])
else if (what === 'tablespace') await recoverTablespace(world, wishes as Parameters<typeof recoverTablespace>[1])
else if (what === 'copies') await recoverCopies(wishes as { to: string; overwrite: boolean })
else if (what === 'database') await recoverDatabase(world, wishes as Parameters<typeof recoverDatabase>[1])
else if (what === 'drill') await drill(world, wishes)
else await heal(world, wishes as Parameters<typeof heal>[1])
process.stdout.write('succeeded\n')

async function recoverCopies(given: { to: string; overwrite: boolean }): Promise<void> {
  const request = { ...(await requestFor(world, {})), ...given }
  await using scope = new AsyncDisposableStack()
  const context = testContext({ home: join(folder, 'home'), rooms: [] }, scope)
  await restoreCopies(request, context, { report: () => {}, signal: new AbortController().signal })
}
