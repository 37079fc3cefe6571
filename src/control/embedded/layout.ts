// What the embedded control database keeps under the home.
import { join } from 'node:path'

export interface ControlLayout {
  readonly folder: string
  readonly dataDirectory: string
  readonly socketDirectory: string
  readonly logFile: string
  readonly passwordFile: string
  /** The port it had last: kept so that socket and URL stay the same. */
  readonly portFile: string
}

export function controlLayout(home: string): ControlLayout {
  const folder = join(home, 'control')
  return {
    folder,
    dataDirectory: join(folder, 'data'),
    socketDirectory: join(folder, 'run'),
    logFile: join(folder, 'server.log'),
    passwordFile: join(folder, 'password'),
    portFile: join(folder, 'port'),
  }
}
