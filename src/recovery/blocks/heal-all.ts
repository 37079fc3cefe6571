// All blocks, where they lie: in the directory of a server that is shut down, or relation by relation under one that runs.
import { join } from 'node:path'

import { isWharfError, messageOf } from '../../base/errors.ts'
import type { Context } from '../../base/room.ts'
import type { Repository } from '../../repository/contract.ts'
import { noteHealed } from '../../repository/healed.ts'
import type { Lsn } from '../../wal/lsn.ts'
import { healBlock, type HealParts } from './heal.ts'
import { healOnline } from './online.ts'
import { demandOwnWal, demandStillStopped, type HealPlace } from './place.ts'
import { walGone, type BlockResult } from './result.ts'
import type { RolledForward } from './roll-forward.ts'
import { touchesInServer } from './touches.ts'
import type { WantedBlock } from './wanted.ts'

export interface HealAll {
  readonly request: {
    readonly warehouse: string
    readonly dryRun: boolean
    readonly keepIn?: string | undefined
    readonly lockTimeoutMs: number
  }
  readonly place: HealPlace
  readonly blocks: readonly WantedBlock[]
  readonly rolled: RolledForward
  /** Are told of each block. */
  readonly repositories: readonly Repository[]
}

interface Common extends Pick<
  HealParts,
  'dataDirectory' | 'checksums' | 'good' | 'goodToLsn' | 'dryRun' | 'keepIn' | 'at' | 'signal'
> {
  readonly note: (block: WantedBlock, lsn: Lsn) => Promise<void>
}

export async function healAll(of: HealAll, context: Context, signal: AbortSignal): Promise<readonly BlockResult[]> {
  const { request, place, rolled } = of
  const { dataDirectory, control } = place
  const common: Common = {
    dataDirectory,
    checksums: control.dataChecksumVersion === 1,
    good: rolled.pages,
    goodToLsn: rolled.toLsn,
    dryRun: request.dryRun,
    keepIn: request.keepIn ?? join(context.home, 'bad-pages', request.warehouse),
    at: new Date(context.clock.now()).toISOString(),
    signal,
    note: async (block, lsn) => {
      const { warehouse } = request
      const { systemIdentifier } = control
      const healed = { file: block.path, block: block.inFile, lsn }
      for (const { notices } of of.repositories)
        await noteHealed(notices, { warehouse, systemIdentifier, atMs: context.clock.now(), healed }, signal)
    },
  }
  if (place.kind === 'stopped') return await healStopped(of, place, common)
  const results: BlockResult[] = []
  for (const blocks of byRelation(of.blocks)) {
    const done = healRelation(blocks, { ...of, place, common })
    results.push(...(await done.catch((error: unknown) => notHealed(error, blocks, results))))
  }
  return results
}

async function healStopped(
  { blocks, rolled }: HealAll,
  place: HealPlace & { kind: 'stopped' },
  common: Common,
): Promise<readonly BlockResult[]> {
  const { dataDirectory, control } = place
  const { timeline, checkpointLsn, majorVersion, walSegmentBytes: segmentBytes } = control
  demandOwnWal(place, { toLsn: rolled.toLsn, serverLsn: checkpointLsn })
  await demandStillStopped(place)
  const of = { dataDirectory, timeline, segmentBytes, majorVersion, fromLsn: rolled.toLsn, toLsn: checkpointLsn }
  const touches = await touchesInServer(blocks, { ...of, signal: common.signal })
  const results: BlockResult[] = []
  for (const block of blocks) {
    if (!touches) results.push({ block, outcome: 'refused', why: walGone })
    else
      results.push(
        await healBlock(block, {
          ...common,
          touches,
          note: (one) => common.note(one, checkpointLsn),
          demandAlone: () => demandStillStopped(place),
          readBack: undefined,
        }),
      )
  }
  return results
}

/** Of a server that runs. */
async function healRelation(
  blocks: readonly WantedBlock[],
  of: HealAll & { readonly place: HealPlace & { kind: 'online' }; readonly common: Common },
): Promise<readonly BlockResult[]> {
  const { place, request, rolled, common } = of
  const { database } = blocks[0]!.file
  const name = place.facts.databases.find((one) => one.oid === database)?.name
  if (database === 0 || name === undefined) {
    const why =
      database === 0
        ? 'it is of a shared catalog: healed with the server stopped only'
        : `there is no database ${database}`
    return blocks.map((block) => ({ block, outcome: 'refused', why }) as const)
  }
  await using session = await place.warehouse.connect({ purpose: 'heal', database: name, signal: common.signal })
  return await healOnline({
    ...common,
    session,
    facts: place.facts,
    blocks,
    lockTimeoutMs: request.lockTimeoutMs,
    demandOwnWal: (serverLsn) => demandOwnWal(place, { toLsn: rolled.toLsn, serverLsn }),
  })
}

/** What was healed before is told, too: an error is all there is only where nothing was written yet. */
function notHealed(
  error: unknown,
  blocks: readonly WantedBlock[],
  before: readonly BlockResult[],
): readonly BlockResult[] {
  const isOne = isWharfError(error, 'recovery.block-locked') || isWharfError(error, 'recovery.block-no-buffer-view')
  if (!isOne || !before.some((one) => one.outcome === 'healed')) throw error
  return blocks.map((block) => ({ block, outcome: 'refused', why: messageOf(error) }))
}

function byRelation(blocks: readonly WantedBlock[]): readonly (readonly WantedBlock[])[] {
  return [...Map.groupBy(blocks, ({ file }) => `${file.tablespace}/${file.database}/${file.relfilenode}`).values()]
}
