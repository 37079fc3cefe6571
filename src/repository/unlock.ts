// What opens a repository.
import type { KeyProgram } from './keys/program.ts'

/** What opens a repository. The passphrase is a secret: never log it. */
export type Unlock =
  | { readonly by: 'none' }
  | {
      readonly by: 'passphrase'
      readonly passphrase: string
      /** scrypt's N for a new slot; tests make it small. */ readonly scryptCost?: number
    }
  | { readonly by: 'key-file'; readonly path: string }
  /** Prints what a key file holds. */
  | { readonly by: 'command'; readonly program: KeyProgram }
  /** Wraps and unwraps keys, as a key management service does. */
  | { readonly by: 'wrapper'; readonly program: KeyProgram }
