import { readFileSync } from 'node:fs'

/** Version of the package, e.g. `0.1.0`. */
export function version(): string {
  // The same depth below the package for src/app and dist/app.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
