/** An SQL identifier that is always quoted: for statements that are run, not read. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
