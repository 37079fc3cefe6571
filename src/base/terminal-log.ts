// The log for people: one line each, on a terminal. Programs and files get the JSON lines of log.ts.
import { styleText } from 'node:util'

import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import { redactUrls, type Log, type LogLevel } from './log.ts'

const order = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 } as const
const colors = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const
const SECRET_KEY = /password|passphrase|secret|token|^key$/i

export interface TerminalLogOptions {
  readonly level: LogLevel
  readonly clock: Clock
  readonly color: boolean
  write(text: string): void
}

/** `14:05:07 warn  receiver failed: connection refused  warehouse=retail`; local time; passwords hidden as in the JSON log. */
export function terminalLog(options: TerminalLogOptions, fixed: object = {}): Log {
  const line = (level: keyof typeof colors, fields: object, message: string): void => {
    if (order[level] < order[options.level]) return
    const time = new Date(options.clock.now()).toTimeString().slice(0, 8)
    const name = options.color ? styleText(colors[level], level.padEnd(5), { validateStream: false }) : level.padEnd(5)
    const pairs = Object.entries({ ...fixed, ...fields }).map(([key, value]) => `${key}=${show(key, value)}`)
    options.write(`${redactUrls([`${time} ${name} ${message}`, ...pairs].join('  '))}\n`)
  }
  return {
    debug: (fields, message) => line('debug', fields, message),
    info: (fields, message) => line('info', fields, message),
    warn: (fields, message) => line('warn', fields, message),
    error: (fields, message) => line('error', fields, message),
    child: (fields) => terminalLog(options, { ...fixed, ...fields }),
  }
}

function show(key: string, value: unknown): string {
  if (SECRET_KEY.test(key)) return '***'
  if (value instanceof Error) return value.stack ?? messageOf(value)
  if (typeof value === 'string') return /^\S+$/.test(value) ? value : JSON.stringify(value)
  return (
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)) ??
    'undefined'
  )
}
