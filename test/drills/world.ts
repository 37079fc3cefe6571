// Drills of a world's warehouse, as a bare machine would run them: by the repository's path and passphrase alone.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Progress } from '../../src/base/operation.ts'
import { room } from '../../src/recovery/room.ts'
import { runDrill, type DrillReport, type DrillRequest } from '../../src/recovery/drills/run-drill.ts'
import type { World } from '../backup/world.ts'
import { requestFor } from '../restore/recovered.ts'
import { testContext } from '../support/context.ts'

const never = new AbortController().signal

export function homeOf(world: World): string {
  return join(world.folder, 'home')
}

export async function drill(
  world: World,
  more: Partial<DrillRequest> & { policy?: unknown; signal?: AbortSignal; report?: (event: Progress) => void } = {},
): Promise<DrillReport> {
  const { policy, signal = never, report = () => {}, ...wishes } = more
  const { toDirectory: _, ...request } = await requestFor(world, {})
  await using scope = new AsyncDisposableStack()
  const config = policy === undefined ? {} : { config: { drills: { retail: policy } } }
  const context = testContext({ home: homeOf(world), rooms: [room], ...config }, scope)
  const target = wishes.at ?? wishes.lsn ?? wishes.random
  return await runDrill(
    {
      ...request,
      verify: undefined,
      ...(target === undefined ? { latest: true } : {}),
      folder: join(world.folder, 'sandboxes'),
      keep: false,
      trigger: 'command',
      actor: 'tester',
      ...wishes,
    },
    context,
    { report, signal },
  )
}

/** Flips one bit of a file. */
export async function flipBit(path: string, at: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[at]! ^= 1
  await writeFile(path, bytes)
}
