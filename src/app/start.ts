// Puts the process' own streams, arguments and environment together with the rooms and runs the command line.
import { processEnvironment } from '../base/environment.ts'
import type { LogLevel } from '../base/log.ts'
import type { AnyOperation } from '../base/operation.ts'
import type { Context } from '../base/room.ts'
import type { GlobalOptions } from '../cli/program.ts'
import { runCommandLine } from '../cli/run.ts'
import { openContext } from './open.ts'
import { rooms } from './rooms.ts'
import { version } from './version.ts'

/** Runs this process' command line and ends the process with its exit code. */
export async function start(): Promise<void> {
  const environment = processEnvironment()
  const program = {
    version: version(),
    rooms,
    open: (options: GlobalOptions, operation: AnyOperation, scope: AsyncDisposableStack): Promise<Context> =>
      openContext(
        {
          rooms,
          environment,
          folder: process.cwd(),
          home: options.home,
          config: options.config,
          logLevel: options.logLevel ?? defaultLevel(operation),
          needs: operation.needs,
        },
        scope,
      ),
  }
  const streams = { out: process.stdout, err: process.stderr, in: process.stdin }
  process.exitCode = await runCommandLine({ program, args: process.argv.slice(2), streams, environment })
}

/** People who run one command want its result; who runs `up` wants to see what goes on. */
function defaultLevel(operation: AnyOperation): LogLevel {
  return operation.name === 'up' ? 'info' : 'warn'
}
