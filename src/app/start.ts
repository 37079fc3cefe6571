// Puts the process' own streams, arguments and environment together with the rooms and runs the command line.
import { processEnvironment } from '../base/environment.ts'
import { systemClock } from '../base/clock.ts'
import { jsonLog, type Log, type LogLevel } from '../base/log.ts'
import { keepFreedMemory, keepHeapSmall } from '../base/freed-memory.ts'
import type { AnyOperation } from '../base/operation.ts'
import { terminalLog } from '../base/terminal-log.ts'
import type { Context } from '../base/room.ts'
import type { GlobalOptions } from '../cli/program.ts'
import { runCommandLine } from '../cli/run.ts'
import { openContext } from './open.ts'
import { rooms } from './rooms.ts'
import { version } from './version.ts'

/** Runs this process' command line and ends the process with its exit code. */
export async function start(): Promise<void> {
  keepFreedMemory()
  keepHeapSmall()
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
          log: logFor(options.logLevel ?? defaultLevel(operation), options.color),
          needs: operation.needs,
        },
        scope,
      ),
  }
  const streams = { out: process.stdout, err: process.stderr, in: process.stdin }
  process.exitCode = await runCommandLine({ program, args: process.argv.slice(2), streams, environment })
}

/** Lines for people on a terminal, JSON lines elsewhere. */
function logFor(level: LogLevel, color: boolean): Log {
  if (!process.stderr.isTTY) return jsonLog(level)
  return terminalLog({ level, clock: systemClock, color, write: (text) => process.stderr.write(text) })
}

/** People who run one command want its result; who runs `up` wants to see what goes on. */
function defaultLevel(operation: AnyOperation): LogLevel {
  return operation.name === 'up' ? 'info' : 'warn'
}
