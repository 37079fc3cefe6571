// How results and errors reach the terminal: people on standard error and output, programs as one JSON document.
import { styleText } from 'node:util'

import { exitCodes, formatPlace, WharfError } from '../base/errors.ts'
import { toJson } from '../base/json.ts'
import { redactUrls } from '../base/log.ts'
import type { GlobalOptions, Streams } from './program.ts'

export type ReportOptions = Pick<GlobalOptions, 'json' | 'color'>

/** Prints anything that was thrown and gives the exit code. */
export function reportError(error: unknown, streams: Streams, options: ReportOptions): number {
  if (options.json) streams.out.write(`${toJson({ error: errorDocument(error) }, 2)}\n`)
  streams.err.write(error instanceof WharfError ? errorText(error, options) : defectText(error, options))
  return error instanceof WharfError ? exitCodes[error.exit] : exitCodes.failed
}

/** The document of `--json` for a failure. */
export function errorDocument(error: unknown): Record<string, unknown> {
  if (!(error instanceof WharfError)) {
    const message = redactUrls(error instanceof Error ? error.message : String(error))
    return {
      code: 'defect',
      message,
      hint: 'this is a defect of wharf: please report it with the text on standard error',
    }
  }
  return { code: error.code, message: redactUrls(error.message), hint: error.hint, place: error.place }
}

function errorText(error: WharfError, options: ReportOptions): string {
  // A message of several lines names its places itself.
  const place = error.place === undefined || error.message.includes('\n') ? '' : `${formatPlace(error.place)}: `
  const lines = [`${paint('red', 'wharf:', options)} ${redactUrls(`${place}${error.message}`)}`]
  if (error.hint !== undefined) lines.push(`${paint('cyan', 'hint:', options)} ${redactUrls(error.hint)}`)
  return `${lines.join('\n')}\n`
}

function defectText(error: unknown, options: ReportOptions): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const head = `${paint('red', 'wharf:', options)} this is a defect of wharf: please report it with the lines below`
  return `${head}\n${redactUrls(stack)}\n`
}

function paint(color: 'red' | 'cyan', text: string, options: ReportOptions): string {
  return options.color ? styleText(color, text, { validateStream: false }) : text
}
