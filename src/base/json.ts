// Values as JSON for --json, HTTP and events: 64-bit numbers as text, times as ISO 8601.

/** JSON of anything that an operation returns: bigint → text, Date → ISO, Map → object, Set → list, Buffer → hex. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, replace, indent) ?? 'null'
}

function replace(this: unknown, key: string, value: unknown): unknown {
  // JSON.stringify calls Buffer's toJSON before the replacer: look at the holder's own value.
  const original = (this as Record<string, unknown> | undefined)?.[key]
  if (original instanceof Uint8Array) return Buffer.from(original).toString('hex')
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (typeof value === 'number' && !Number.isFinite(value)) return null
  return value
}
