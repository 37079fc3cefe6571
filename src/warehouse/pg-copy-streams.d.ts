// The part of pg-copy-streams that we use; the package has no types of its own.
declare module 'pg-copy-streams' {
  import type { Readable, Writable } from 'node:stream'
  import type { Submittable } from 'pg'

  /** A query that is written to: `client.query(from('COPY … FROM STDIN'))`. `finish` means that the server has taken all rows. */
  export function from(sql: string): Writable & Submittable & { readonly rowCount: number }
  /** A query that is read from: `client.query(to('COPY … TO STDOUT'))`. `end` means that the server has sent all rows. */
  export function to(sql: string): Readable & Submittable & { readonly rowCount: number }
}
