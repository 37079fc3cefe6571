// A second context over the same program, with the configuration read now.
import { createContext } from '../base/context.ts'
import type { Context } from '../base/room.ts'
import { examineConfig, loadConfig, sectionsOf, type LoadedConfig } from './config/load.ts'
import { readConfigAt } from './config/source.ts'

/** The configuration of `context` as it stands in the file now, whether sound or not. */
export async function examineNow(context: Context): Promise<LoadedConfig & { readonly exists: boolean }> {
  const source = await readConfigAt(context.configFile, context.home)
  return { ...examineConfig(source, sectionsOf(context.rooms), context.environment), exists: source.text !== undefined }
}

/** A context with the sections as they stand in the file now. Rejects with `config.*`. Its services end with `scope`. */
export async function reopen(context: Context, scope: AsyncDisposableStack): Promise<Context> {
  const source = await readConfigAt(context.configFile, context.home)
  const { sections } = loadConfig(source, sectionsOf(context.rooms), context.environment)
  const { clock, random, environment, log, home, configFile, rooms } = context
  return createContext({ clock, random, environment, log, home, configFile, rooms, sections }, scope)
}
