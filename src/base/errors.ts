// Errors that an operator reads. A room declares its kinds once in its errors.ts; code branches on `code`, never on text.

/** Documented exit codes of `wharf`. The same table stands in doc/exit-codes.md; a test keeps them equal. */
export const exitCodes = {
  ok: 0,
  /** The operation ran and failed. */
  failed: 1,
  /** The command line could not be understood. */
  usage: 2,
  /** The machine or the installation lacks something. */
  environment: 3,
  /** The configuration is wrong. */
  configuration: 4,
  /** A thing that was named does not exist. */
  notFound: 5,
  /** Somebody else holds what is needed; trying again later can help. */
  busy: 6,
  /** A server, store or file could not be reached; trying again can help. */
  unreachable: 7,
  /** Credentials or rights are missing. */
  denied: 8,
  /** Stored data is damaged. */
  damaged: 9,
  /** A check ran well and found something wrong. */
  findings: 10,
  /** Interrupted by a signal or cancelled by an operator. */
  cancelled: 130,
} as const

export type ExitName = keyof typeof exitCodes

/** Where bad input stands: a file with line and column (both from 1), an object of the repository, a setting. */
export interface Place {
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly object?: string
}

export interface ErrorKind<Params> {
  readonly exit: ExitName
  /** True if the same call can succeed later with nothing changed by the operator. Default false. */
  readonly passing?: boolean
  /** Lower case, no final stop: what failed, on what. */
  readonly message: (params: Params) => string
  /** What to try. */
  readonly hint?: (params: Params) => string
}

/** An error with a stable code, meant for an operator. Everything else that is thrown is a defect and shown with its stack. */
export class WharfError extends Error {
  readonly code: string
  readonly exit: ExitName
  readonly passing: boolean
  readonly hint: string | undefined
  readonly place: Place | undefined

  constructor(fields: {
    code: string
    message: string
    exit: ExitName
    passing?: boolean
    hint?: string | undefined
    place?: Place | undefined
    cause?: unknown
  }) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.name = 'WharfError'
    this.code = fields.code
    this.exit = fields.exit
    this.passing = fields.passing ?? false
    this.hint = fields.hint
    this.place = fields.place
  }
}

export interface RaiseOptions {
  readonly place?: Place
  readonly cause?: unknown
}

const declared = new Set<string>()

/** Codes of all errors declared by modules that were loaded so far: for tests that hold documents and operations against them. */
export function declaredErrorCodes(): ReadonlySet<string> {
  return declared
}

type Raise<Params> = (params: Params, options?: RaiseOptions) => WharfError

/**
 * Turns a table of kinds into functions that make errors: `const errors = defineErrors('backup', {noParent: …})`, then
 * `throw errors.noParent({…})`. The code is `<room>.<key in kebab case>`, e.g. `backup.no-parent`.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- the table's own parameter types are kept by the mapped type
export function defineErrors<Table extends Record<string, ErrorKind<any>>>(
  room: string,
  table: Table,
): { readonly [Key in keyof Table]: Table[Key] extends ErrorKind<infer Params> ? Raise<Params> : never } {
  const made: Record<string, Raise<unknown>> = {}
  for (const [key, kind] of Object.entries(table)) {
    declared.add(`${room}.${kebab(key)}`)
    made[key] = (params, options) =>
      new WharfError({
        code: `${room}.${kebab(key)}`,
        message: kind.message(params),
        exit: kind.exit,
        passing: kind.passing ?? false,
        hint: kind.hint?.(params),
        place: options?.place,
        cause: options?.cause,
      })
  }
  return made as never
}

/** `someKey` → `some-key`. */
export function kebab(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

export function isWharfError(error: unknown, code?: string): error is WharfError {
  return error instanceof WharfError && (code === undefined || error.code === code)
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` field of a system or driver error (`ENOENT`, `28P01`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** `file:line:column`, as far as known. */
export function formatPlace(place: Place): string {
  const file = place.file ?? place.object ?? ''
  if (place.line === undefined) return file
  return place.column === undefined ? `${file}:${place.line}` : `${file}:${place.line}:${place.column}`
}
