// What is to be recovered to, and the command that says the same.
export type Target =
  | { readonly kind: 'latest' }
  | { readonly kind: 'time'; readonly atMs: number }
  | { readonly kind: 'load'; readonly load: string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'lsn'; readonly lsn: string }

/** Query parameters of `recover plan`. */
export function targetQuery(target: Target): Readonly<Record<string, string | boolean>> {
  switch (target.kind) {
    case 'latest':
      return { latest: true }
    case 'time':
      return { at: timeText(target.atMs) }
    case 'load':
      return { beforeLoad: target.load }
    case 'name':
      return { name: target.name }
  }
  return { lsn: target.lsn }
}

/** To the second, in UTC: what the command line takes. */
export function timeText(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z')
}

const plain = /^[\w@%+=:,./-]+$/

/** A word for a POSIX shell. */
export function shellWord(text: string): string {
  return plain.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** `wharf recover run retail --at 2026-11-21T12:31:04Z --to-directory /srv/copy --start`. */
export function recoverCommand(parts: { warehouse: string; target: Target; into: string; start: boolean }): string {
  const option = {
    latest: () => ['--latest'],
    time: (one: { atMs: number }) => ['--at', timeText(one.atMs)],
    load: (one: { load: string }) => ['--before-load', one.load],
    name: (one: { name: string }) => ['--name', one.name],
    lsn: (one: { lsn: string }) => ['--lsn', one.lsn],
  }[parts.target.kind](parts.target as never)
  return [
    'wharf',
    'recover',
    'run',
    parts.warehouse,
    ...option,
    '--to-directory',
    parts.into,
    ...(parts.start ? ['--start'] : []),
  ]
    .map(shellWord)
    .join(' ')
}
