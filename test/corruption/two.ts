// Two repositories that hold the same backups and WAL; damage to one of them, and its healing from the other.
import { mkdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Random } from '../../src/base/random.ts'
import { copyBackup, copyWal } from '../../src/repository/copy.ts'
import { asStored } from '../../src/repository/copy.ts'
import { healFindings } from '../../src/repository/heal/heal.ts'
import { replacedName, replacementName } from '../../src/repository/heal/names.ts'
import { initRepository } from '../../src/repository/open.ts'
import { openStore } from '../../src/repository/stores.ts'
import type { Unlock } from '../../src/repository/unlock.ts'
import { check, objectsOf } from './flip.ts'
import { openWorld, readAll, SYSTEM, type World } from './world.ts'

const signal = new AbortController().signal

/** A second repository with all that the first one holds. Its manifests have other references, so they are read from it. */
export async function copyWorld(world: World, path: string, unlock: Unlock): Promise<World> {
  await mkdir(path, { recursive: true })
  await initRepository({ store: await openStore({ kind: 'file', path }), unlock, signal })
  const from = await openWorld(world)
  const to = await openWorld({ path, unlock })
  for (const { id } of await from.listBackups(signal)) await copyBackup({ from, to, id, wal: 'all', signal })
  await copyWal({ from, to, systemIdentifier: SYSTEM, fromLsn: 0n, signal })
  const manifests = new Map()
  for (const { id } of await to.listBackups(signal)) manifests.set(id, await to.readManifest(id, signal))
  return { ...world, path, unlock, manifests }
}

const HEALABLE = /^(packs|maps|manifests|wal|confirmed|healed)\//

export interface Damage {
  readonly name: string
  readonly what: string
}

/** What has been damaged and replaced is not read any more, be it the original or an earlier replacement: more damage to it is no damage. */
function isReplaced(name: string, all: readonly string[]): boolean {
  const chunk = /^(wal\/.*?[0-9a-f]{16}m?)(?:-(\d))?$/.exec(name)
  if (chunk) return all.includes(`${chunk[1]}-${Number(chunk[2] ?? 1) + 1}`)
  const healed = /^healed\/(\d)\//.exec(name)
  return all.includes(replacementName(replacedName(name) ?? name, Number(healed?.[1] ?? 1) + 1))
}

/** Damages one object: a flipped byte, a cut, or the object is gone. */
export async function damageOne(world: World, random: Random): Promise<Damage> {
  const all = await objectsOf(world)
  const names = all.filter((name) => HEALABLE.test(name) && !isReplaced(name, all))
  const kinds = [...new Set(names.map((name) => name.split('/')[0]!))]
  const kind = kinds[random.integer(kinds.length)]!
  const some = names.filter((name) => name.split('/')[0] === kind)
  const name = some[random.integer(some.length)]!
  const path = join(world.path, name)
  const how = random.integer(4)
  if (how === 0 && (kind === 'packs' || kind === 'maps') && (await isReferred(world, name))) {
    await rename(path, `${world.path}.gone-${random.bytes(6).toString('hex')}`)
    return { name, what: `${name} is gone` }
  }
  const bytes = await readFile(path)
  if (how === 1) {
    const length = random.integer(bytes.length)
    await truncate(path, length)
    return { name, what: `${name} is cut to ${length} of ${bytes.length}` }
  }
  const offset = random.integer(bytes.length)
  const flipped = Buffer.from(bytes)
  flipped[offset]! ^= 1 << random.integer(8)
  await writeFile(path, flipped)
  return { name, what: `byte ${offset} of ${name} flipped` }
}

/** Nobody misses a bundle of a manifest that was healed: that one refers to maps of its own. */
async function isReferred(world: World, name: string): Promise<boolean> {
  const repository = await openWorld(world)
  try {
    for (const { id } of await repository.listBackups(signal, { onDamaged: () => {} })) {
      const manifest = await repository.readManifest(id, signal).catch(() => undefined)
      if (manifest?.packs.includes(name.slice(-32))) return true
      if (manifest?.files.some((file) => file.kind === 'segment' && file.map.object === name)) return true
    }
    return false
  } finally {
    await repository.close()
  }
}

/** Undefined where all is well: each damage found and named, healed, and everything reads back as it was. */
export async function healRound(
  world: World,
  other: World,
  of: { random: Random; damages: number },
): Promise<string | undefined> {
  const damages: Damage[] = []
  for (let count = 0; count < of.damages; count++) damages.push(await damageOne(world, of.random))
  const all = damages.map((one) => one.what).join('; ')
  const { findings } = await check(world)
  // What only a damaged manifest knows of cannot be missed before that one is healed; healing it brings the rest back.
  const isBlind = damages.some((one) => one.name.includes('manifests/'))
  for (const { name, what } of isBlind ? [] : damages) {
    const isNamed = findings.some((one) => one.object === name || one.message.includes(name))
    if (!isNamed) return `${what}: check found only ${findings.map((one) => one.message).join('; ')}`
  }
  const to = asStored(await openWorld(world))
  const from = asStored(await openWorld(other))
  const healed = [...(await healFindings(findings, { to, from, signal }))]
  if (isBlind) healed.push(...(await healFindings((await check(world)).findings, { to, from, signal })))
  await Promise.all([to.close(), from.close()])
  const bad = healed.filter((one) => one.state === 'not healed')
  if (bad.length > 0) return `${all}: ${bad.map((one) => `${one.object}: ${one.why}`).join('; ')}`
  const after = await check(world)
  if (after.findings.length > 0)
    return `${all}: after healing ${after.findings.map((one) => `${one.object}: ${one.message}`).join('; ')}`
  const errors = await readAll({ ...world, manifests: new Map() }, { anyManifest: true })
  return errors.length === 0 ? undefined : `${all}: reading afterwards: ${errors.map((one) => one.message).join('; ')}`
}
