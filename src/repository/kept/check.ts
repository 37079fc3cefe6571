// Whether kept loads are whole: heads against their pieces, pieces against their names.
import type { CheckTools } from '../check/findings.ts'
import { replacementsOf } from '../heal/names.ts'
import { damaged, readDirectory } from '../object/decode.ts'
import { readOwnPiece } from './content.ts'
import { piecesOf, readOwnKept } from './head.ts'
import { inputKey, parseInputName, parseKeptName } from './names.ts'

/** `object` is looked at for `name`: itself, or a replacement. Reads the head in full, and asks for every piece. */
export async function checkKept(name: string, object: string, tools: CheckTools): Promise<void> {
  if (!parseKeptName(name)) throw damaged(name, 'its name is not one of a kept load')
  // Expiry may remove it while we look.
  if (!(await tools.store.stat(object, tools))) return
  const load = await readOwnKept(name, object, tools)
  for (const step of load.steps) {
    if (!('content' in step)) continue
    for (const { object: piece, sha256 } of step.content.pieces)
      if (parseInputName(piece)?.key !== inputKey(sha256, tools.ring.seed))
        throw damaged(object, `${piece} is not named by the content that it should hold`)
  }
  for (const piece of new Set(piecesOf(load))) {
    if (await isThere(piece, tools)) continue
    // Heads go first: a load that expired meanwhile needs nothing.
    if (await tools.store.stat(object, tools)) throw damaged(object, `its input ${piece} is missing`)
  }
}

async function isThere(piece: string, tools: CheckTools): Promise<boolean> {
  if (await tools.store.stat(piece, tools)) return true
  for await (const _ of replacementsOf(piece, tools)) return true
  return false
}

export async function checkInput(name: string, object: string, tools: CheckTools): Promise<void> {
  if (!parseInputName(name)) throw damaged(name, 'its name is not one of an input')
  const info = await tools.store.stat(object, tools)
  if (!info) return
  if (tools.levelOf(name) === 'all') await readOwnPiece(name, object, tools)
  else await readDirectory(object, 'input', { ...tools, objectBytes: info.bytes })
}
