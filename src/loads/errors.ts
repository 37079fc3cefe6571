import { defineErrors } from '../base/errors.ts'

/** A place within a file of input, for people: `2013-01-05.csv, line 14, column 23`. */
export interface InputPlace {
  readonly file: string
  /** From 1; the header is line 1. */
  readonly line?: number | undefined
  /** Character within the line, from 1. */
  readonly column?: number | undefined
}

export function sayPlace(at: InputPlace): string {
  const line = at.line === undefined ? '' : `, line ${at.line}`
  return `${at.file}${line}${at.column === undefined ? '' : `, column ${at.column}`}`
}

type At<T> = InputPlace & T

const LONGEST_SHOWN = 60

/** A value as an error shows it: in quotes, shortened, control characters escaped. */
export function showField(value: string): string {
  return JSON.stringify(value.length > LONGEST_SHOWN ? `${value.slice(0, LONGEST_SHOWN)}…` : value)
}

export const errors = defineErrors('loads', {
  unknownPipeline: {
    exit: 'notFound',
    message: (name: string) => `there is no pipeline "${name}"`,
    hint: () => '"wharf load list" shows the pipelines of wharf.yaml',
  },
  badDateRange: {
    exit: 'usage',
    message: (at: { from: string; to: string }) =>
      `the range of business dates ends before it begins: ${at.from} to ${at.to}`,
  },
  runFailed: {
    exit: 'failed',
    message: (at: { run: string; pipeline: string; problem: string }) =>
      `run ${at.run} of "${at.pipeline}" failed: ${at.problem}`,
    hint: (at) =>
      `"wharf load log ${at.run}" shows what happened; once it is put right, "wharf load retry ${at.run}" goes on where it stopped`,
  },
  runCancelled: {
    exit: 'cancelled',
    message: (at: { run: string; pipeline: string }) => `run ${at.run} of "${at.pipeline}" was cancelled`,
  },
  notInstalled: {
    exit: 'denied',
    message: (at: { warehouse: string; reason: string; sql: string }) =>
      `the journal of loads is missing in warehouse "${at.warehouse}" and could not be created: ${at.reason}`,
    hint: (at) =>
      `let someone who may create a schema run "wharf load install ${at.warehouse}", or this SQL:\n${at.sql}`,
  },
  fenced: {
    exit: 'busy',
    message: (at: { pipeline: string; task: string }) =>
      `a newer attempt has taken over "${at.pipeline}" task "${at.task}"; this one changed nothing`,
  },
  noFile: {
    exit: 'notFound',
    message: (at: { file: string; what: string }) => `${at.what} does not exist: ${at.file}`,
  },
  unreadable: {
    exit: 'denied',
    message: (at: { file: string; reason: string }) => `cannot read ${at.file}: ${at.reason}`,
  },
  noFolder: {
    exit: 'notFound',
    message: (folder: string) => `the folder of the source does not exist: ${folder}`,
    hint: () => 'see "folder" of the task in wharf.yaml; a relative path starts at the folder of wharf.yaml',
  },
  changedMeanwhile: {
    exit: 'busy',
    passing: true,
    message: (file: string) => `${file} changed while it was read; nothing of it was loaded`,
    hint: () => 'a longer "settle" of the source waits until files are written to their end',
  },
  noTable: {
    exit: 'notFound',
    message: (at: { table: string; warehouse: string }) =>
      `there is no table "${at.table}" in warehouse "${at.warehouse}"`,
    hint: () => 'name it with its schema, as in "public.sales"; a task that creates it must be among the "needs"',
  },
  badMapping: {
    exit: 'configuration',
    message: (at: { setting: string; column: string; table: string }) =>
      `"${at.setting}" names column "${at.column}", which table "${at.table}" does not have`,
  },
  nowhereToKeep: {
    exit: 'configuration',
    message: (at: { warehouse: string }) =>
      `inputs are to be kept, but warehouse "${at.warehouse}" has no required repository`,
    hint: (at) => `name one under warehouses.${at.warehouse}.repositories, or leave "keep: inputs" out`,
  },
  // ------------------------------------------------------------ refused files
  emptyFile: {
    exit: 'failed',
    message: (at: InputPlace) => `${sayPlace(at)}: the file is empty: it lacks the header line`,
  },
  badEncoding: {
    exit: 'failed',
    message: (at: At<{ bytes: string }>) => `${sayPlace(at)}: not UTF-8: byte ${at.bytes}`,
    hint: () =>
      'the file is in another encoding: have it written as UTF-8, or convert it, for example with iconv -f WINDOWS-1252 -t UTF-8',
  },
  zeroByte: {
    exit: 'failed',
    message: (at: InputPlace) => `${sayPlace(at)}: a zero byte, which no text may hold`,
    hint: () => 'the file is damaged, binary, or in UTF-16',
  },
  badGzip: {
    exit: 'failed',
    message: (at: At<{ reason: string }>) => `${sayPlace(at)}: the compressed file is damaged or torn (${at.reason})`,
  },
  tornLine: {
    exit: 'failed',
    message: (at: InputPlace) =>
      `${sayPlace(at)}: the last line does not end with a line break, so the file may be torn`,
    hint: () => 'have the file written again; if its writer never ends the last line, set "final_newline: optional"',
  },
  openQuote: {
    exit: 'failed',
    message: (at: InputPlace) => `${sayPlace(at)}: a quote is opened here and never closed`,
  },
  strayQuote: {
    exit: 'failed',
    message: (at: InputPlace) =>
      `${sayPlace(at)}: a quote inside a value: a value with quotes must be quoted as a whole, and its quotes doubled`,
  },
  fieldCount: {
    exit: 'failed',
    message: (at: At<{ found: number; wanted: number }>) =>
      `${sayPlace(at)}: ${at.found} ${at.found === 1 ? 'value' : 'values'} where the header names ${at.wanted} columns`,
  },
  badHeader: {
    exit: 'failed',
    message: (at: At<{ problem: string }>) => `${sayPlace(at)}: ${at.problem}`,
  },
  missingColumn: {
    exit: 'failed',
    message: (at: At<{ name: string; table: string }>) =>
      `${sayPlace(at)}: the file lacks column "${at.name}" of table "${at.table}"`,
    hint: () =>
      'if the files are not meant to have it, list it under "absent"; if it has another name there, under "columns"',
  },
  extraColumn: {
    exit: 'failed',
    message: (at: At<{ name: string; table: string }>) =>
      `${sayPlace(at)}: the file has a column "${at.name}", which table "${at.table}" lacks`,
    hint: () =>
      'if it is not to be loaded, list it under "ignore"; if the table has it under another name, under "columns"',
  },
  badValue: {
    exit: 'failed',
    message: (at: At<{ name: string; value: string; problem: string }>) =>
      `${sayPlace(at)} ("${at.name}"): ${showField(at.value)} ${at.problem}`,
  },
  missingValue: {
    exit: 'failed',
    message: (at: At<{ name: string; value: string }>) =>
      `${sayPlace(at)} ("${at.name}"): the value is missing (${showField(at.value)}), and the column must have one`,
  },
  refusedByServer: {
    exit: 'failed',
    message: (at: At<{ name: string | undefined; reason: string }>) =>
      `${sayPlace(at)}${at.name === undefined ? '' : ` ("${at.name}")`}: ${at.reason}`,
  },
  // ------------------------------------------------------------ SQL
  statementFailed: {
    exit: 'failed',
    message: (at: At<{ reason: string; detail: string | undefined }>) =>
      `${sayPlace(at)}: ${at.reason}${at.detail === undefined ? '' : ` (${at.detail})`}`,
  },
  statementHeldUp: {
    exit: 'busy',
    passing: true,
    message: (at: At<{ reason: string }>) => `${sayPlace(at)}: ${at.reason}`,
    hint: () => 'it can succeed when tried again; set "retries" for the task',
  },
  transactionControl: {
    exit: 'failed',
    message: (at: At<{ word: string }>) =>
      `${sayPlace(at)}: "${at.word}" is not possible here: the task is one transaction, so that it takes effect exactly once`,
    hint: () =>
      'leave out BEGIN, COMMIT and ROLLBACK; split the work into several tasks where it must commit in between',
  },
  transactionEnded: {
    exit: 'failed',
    message: (at: InputPlace) =>
      `${sayPlace(at)}: the SQL ended its own transaction, so part of it may have taken effect without a journal entry`,
  },
  // ------------------------------------------------------------ commands
  commandFailed: {
    exit: 'failed',
    passing: true,
    message: (at: { command: string; how: string; last: string | undefined }) =>
      `${at.command} ${at.how}${at.last === undefined ? '' : `; its last words: ${at.last}`}`,
    hint: () => 'the log of the task has its output',
  },
  commandNotFound: {
    exit: 'environment',
    message: (at: { command: string; reason: string }) => `cannot start ${at.command}: ${at.reason}`,
  },
})
