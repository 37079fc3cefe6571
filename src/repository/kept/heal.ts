// A kept load, or a piece of an input, out of another repository that holds the same load.
import { damaged } from '../object/decode.ts'
import type { KeptContent } from '../kept-contract.ts'
import type { HealParts } from '../heal/heal.ts'
import { isReplaceable } from '../heal/fall-back.ts'
import { putPiece, readPiece, writePiece } from './content.ts'
import { translated } from './copy.ts'
import { readAllKept } from './expiry.ts'
import { readKept, writeKept } from './head.ts'
import { inputKey, inputName, parseInputName } from './names.ts'

/** More objects of one content are not looked for in the other repository. */
const MOST_TRIES = 9

/** Puts the piece under `name`, which stands in for `object`. */
export async function healInput(object: string, name: string, { to, from, signal }: HealParts): Promise<string> {
  const key = parseInputName(object)?.key
  const loads = []
  // The load that names it may be damaged here as well.
  for (const repository of [to, from]) loads.push(...(await readAllKept(repository.readOptions(signal))).kept)
  const piece = loads
    .flatMap((one) => one.load.steps.flatMap((step) => ('content' in step ? step.content.pieces : [])))
    .find((one) => inputKey(one.sha256, to.ring.seed) === key)
  if (!piece) throw damaged(object, 'no kept load that can be read names it')
  const plain = await findPiece(piece.sha256, { to, from, signal })
  if (!plain) throw damaged(object, 'the other repository does not hold it')
  await writePiece(name, plain, to.readOptions(signal))
  await to.store.barrier({ signal })
  return name
}

async function findPiece(sha256: string, { from, signal }: HealParts): Promise<Buffer | undefined> {
  const options = from.readOptions(signal)
  const key = inputKey(sha256, from.ring.seed)
  for (let n = 1; n <= MOST_TRIES; n++) {
    try {
      return await readPiece(inputName(key, n), options)
    } catch (error) {
      if (!isReplaceable(error)) throw error
    }
  }
  return undefined
}

/** The head of the other repository, with references of this one; pieces that are missing here come with it. */
export async function healKept(object: string, name: string, parts: HealParts): Promise<string> {
  const { to, from, signal } = parts
  const load = await readKept(object, from.readOptions(signal))
  const target = { ...to.readOptions(signal), isDead: () => false }
  const bring = async (content: KeptContent): Promise<KeptContent> => {
    const pieces = []
    for (const piece of content.pieces)
      pieces.push(await putPiece(await readPiece(piece.object, from.readOptions(signal)), target))
    return { ...content, pieces }
  }
  const healed = await translated(load, bring)
  await to.store.barrier({ signal })
  await writeKept(healed, { ...to.readOptions(signal), name })
  return name
}
