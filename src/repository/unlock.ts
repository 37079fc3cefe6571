// What opens a repository.
/** What opens a repository. The passphrase is a secret: never log it. */
export type Unlock =
  | { readonly by: 'none' }
  | {
      readonly by: 'passphrase'
      readonly passphrase: string
      /** scrypt's N for a new slot; tests make it small. */ readonly scryptCost?: number
    }
  | { readonly by: 'key-file'; readonly path: string }
