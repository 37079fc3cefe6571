// A share as people write it.
import { errors } from '../errors.ts'

/** `1/30`, `0.05`, `5%` → a number above 0 and at most 1. Rejects with `repository.bad-share`. */
export function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:\/\s*(\d+)|(%))?$/.exec(text.trim())
  const [, number = '', divisor, percent] = match ?? []
  const share = Number(number) / (divisor === undefined ? (percent === undefined ? 1 : 100) : Number(divisor))
  if (!match || !(share > 0 && share <= 1)) throw errors.badShare({ text })
  return share
}
