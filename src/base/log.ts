// Structured log on standard error. Secrets never reach it: passwords are redacted by key and inside connection URLs.
import { pino, type Logger } from 'pino'

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Log
}

const secretKeys = [
  'password',
  'passphrase',
  'secret',
  'token',
  'key',
  '*.password',
  '*.passphrase',
  '*.secret',
  '*.token',
]

/** Hides the password of every `postgresql://user:password@host` in a text. */
export function redactUrls(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@]*@/gi, '$1:***@')
    .replaceAll(/([?&]password=)[^&\s]*/gi, '$1***')
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** A log that writes JSON lines to standard error. */
export function jsonLog(level: LogLevel): Log {
  const logger: Logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretKeys, censor: '***' },
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: pino.stdSerializers.err },
    },
    { write: (line: string) => process.stderr.write(redactUrls(line)) },
  )
  return logger
}

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLog,
}
