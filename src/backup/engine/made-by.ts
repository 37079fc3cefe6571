import { readFileSync } from 'node:fs'

/** Version of wharf, for manifests: `0.1.0`. */
export function madeBy(): string {
  // The same depth below the package for src/backup/engine and dist/backup/engine.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
