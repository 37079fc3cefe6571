// Opens the control database that the configuration names.
import type { Context } from '../base/room.ts'
import { parseConnectionUrl, type ConnectionTarget } from '../warehouse/connection.ts'
import { controlSection, type ControlSettings } from './config.ts'
import { OpenControlDatabase } from './database.ts'
import { embeddedEntrance, externalEntrance } from './entrance.ts'

/** Disposed of with `scope`. Also for tests: any context with `home`, or a `control.url` in its section. */
export async function openControlDatabase(context: Context, scope: AsyncDisposableStack): Promise<OpenControlDatabase> {
  const target = controlTarget(context.section(controlSection))
  const enter = target ? externalEntrance(target, context) : embeddedEntrance(context)
  return scope.use(await OpenControlDatabase.open(enter, context, context.rooms))
}

/** Undefined for the embedded one. */
export function controlTarget(settings: ControlSettings): ConnectionTarget | undefined {
  if (settings.url === undefined) return undefined
  const parts = parseConnectionUrl(settings.url)
  return {
    what: 'the control database',
    ...parts,
    password: settings.password ?? parts.password,
    passwordFile: settings.password_file,
  }
}
