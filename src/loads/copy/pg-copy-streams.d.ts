// The part of pg-copy-streams that this room uses; the package has no types of its own.
declare module 'pg-copy-streams' {
  import type { Writable } from 'node:stream'
  import type { Submittable } from 'pg'

  /** A query that is written to: `client.query(from('COPY … FROM STDIN'))`. `finish` means that the server has taken all rows. */
  export function from(sql: string): Writable & Submittable & { readonly rowCount: number }
}
