// What an authenticating thread says of an extent that cannot be restored. Findings of threads are lines of text: these are JSON.
export interface DamagedExtent {
  /** As in the manifest. */
  readonly file: string
  /** Numbers within the segment file; undefined for a piece of a plain file. */
  readonly blocks: readonly number[] | undefined
  readonly pack: string
  readonly extent: number
  readonly why: string
}

export function encodeDamage(damage: DamagedExtent): string {
  return JSON.stringify(damage)
}

export function decodeDamage(line: string): DamagedExtent {
  return JSON.parse(line) as DamagedExtent
}
