// zod's issues in this program's words. The configuration and the command line put the name and the place before them.
import type { z } from 'zod'

import { redactUrls } from './log.ts'
import { nearest } from './nearest.ts'

export type Issue = z.core.$ZodIssue

export interface Said {
  readonly message: string
  /** True for a whole statement; false for one that follows a name: `must be a number, not "x"`. */
  readonly alone: boolean
  readonly hint?: string | undefined
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  bigint: 'a whole number',
  boolean: 'true or false',
  object: 'a mapping of keys to values',
  record: 'a mapping of names to values',
  array: 'a list',
  date: 'a time',
  null: 'nothing',
}

/** One issue about `value`. */
export function sayIssue(issue: Issue, value: unknown): Said {
  switch (issue.code) {
    case 'invalid_type':
      return { alone: false, message: `must be ${kinds[issue.expected] ?? issue.expected}, not ${showValue(value)}` }
    case 'invalid_value':
      return sayChoice(value, issue.values.map(String))
    case 'too_small':
      return {
        alone: false,
        message: `is too ${sizeWord(issue.origin, 'small')}: ${showValue(value)}, the least is ${issue.minimum}`,
      }
    case 'too_big':
      return {
        alone: false,
        message: `is too ${sizeWord(issue.origin, 'large')}: ${showValue(value)}, the most is ${issue.maximum}`,
      }
    case 'custom':
      return { alone: true, message: issue.message, hint: (issue.params as { hint?: string } | undefined)?.hint }
    case 'invalid_key':
      return { alone: true, message: lower(issue.issues[0]?.message ?? issue.message) }
    default:
      return { alone: false, message: `is not valid: ${lower(issue.message)}` }
  }
}

function sizeWord(origin: string, word: 'small' | 'large'): string {
  if (origin === 'number' || origin === 'int' || origin === 'bigint' || origin === 'date') return word
  return word === 'small' ? 'short' : 'long'
}

/** `"daly" is not one of daily, weekly` with the nearest as hint. */
export function sayChoice(value: unknown, choices: readonly string[]): Said {
  const near = typeof value === 'string' ? nearest(value, choices) : undefined
  return {
    alone: true,
    message: `${showValue(value)} is not one of ${choices.join(', ')}`,
    hint: near === undefined ? undefined : `did you mean "${near}"?`,
  }
}

/** A value for a message: short, on one line, passwords in URLs hidden. */
export function showValue(value: unknown): string {
  if (value === null) return 'empty'
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'bigint') return value.toString()
  const text = redactUrls(JSON.stringify(value))
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

function lower(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`
}
