// Opens the program: finds home and configuration, validates, and builds the context that operations run in.
import { homedir } from 'node:os'
import { resolve } from 'node:path'

import { systemClock } from '../base/clock.ts'
import { createContext } from '../base/context.ts'
import type { Environment } from '../base/environment.ts'
import type { Log } from '../base/log.ts'
import type { Need } from '../base/operation.ts'
import { systemRandom } from '../base/random.ts'
import type { Context, Room } from '../base/room.ts'
import { defaultSections, loadConfig, sectionsOf } from './config/load.ts'
import { findConfig, type ConfigSource } from './config/source.ts'

export interface OpenOptions {
  readonly rooms: readonly Room[]
  readonly environment: Environment
  /** Folder that relative paths are relative to. */
  readonly folder: string
  /** `--home`, `--config`. */
  readonly home: string | undefined
  readonly config: string | undefined
  readonly log: Log
  /** With `nothing` the configuration is not read and all sections have their defaults. */
  readonly needs: Need
}

/** The home folder that is meant, absolute. */
export function homeOf(options: Pick<OpenOptions, 'home' | 'environment' | 'folder'>): string {
  const path = options.home ?? options.environment.defaultHome
  return resolve(options.folder, path.replace(/^~(?=\/|$)/, homedir()))
}

/** Rejects with `config.*` where the configuration cannot be read or is wrong. */
export async function openContext(options: OpenOptions, scope: AsyncDisposableStack): Promise<Context> {
  const home = homeOf(options)
  const declared = sectionsOf(options.rooms)
  const search = { environment: options.environment, folder: options.folder, home, option: options.config }
  const source: ConfigSource = options.needs === 'nothing' ? await findQuietly(search) : await findConfig(search)
  const sections =
    options.needs === 'nothing' ? defaultSections(declared) : loadConfig(source, declared, options.environment).sections
  const parts = {
    clock: systemClock,
    random: systemRandom,
    environment: options.environment,
    log: options.log,
    home,
    configFile: source.file,
    rooms: options.rooms,
    sections,
  }
  return createContext(parts, scope)
}

/** Where the configuration would be: what is wrong with it is none of this operation's business. */
async function findQuietly(search: Parameters<typeof findConfig>[0]): Promise<ConfigSource> {
  try {
    return await findConfig(search)
  } catch {
    return {
      file: resolve(
        search.folder,
        search.option ?? search.environment.variables['WHARF_CONFIG'] ?? resolve(search.home, 'wharf.yaml'),
      ),
      text: undefined,
    }
  }
}
