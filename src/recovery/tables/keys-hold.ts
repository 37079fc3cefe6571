// What PostgreSQL says of a foreign key that does not hold.

export interface KeyViolation {
  readonly schema?: string
  readonly table?: string
  readonly constraint?: string
}

/** Sessions explain errors; PostgreSQL's own is the cause. Undefined for every other error. */
export function foreignKeyViolation(error: unknown): KeyViolation | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    if ('code' in at && at.code === '23503') return at as KeyViolation
  return undefined
}
