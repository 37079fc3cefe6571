// How a bucket is reached and used. Structured-cloneable, so that worker threads and `wal get` can open the same place.

export interface S3Options {
  readonly bucket: string
  /** Before every name: empty, or parts that each end with `/`. */
  readonly prefix: string
  /** URL of a server other than Amazon's. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  /** The bucket stands in the path instead of the host name. */
  readonly pathStyle?: boolean | undefined
  /** Secret: never log it. Left out: `profile`, else what the environment says (variables, profile, role of the machine). */
  readonly credentials?: S3Credentials | undefined
  readonly profile?: string | undefined
  readonly encryption?: { readonly by: 'AES256' | 'aws:kms'; readonly keyId?: string | undefined } | undefined
  readonly storageClass?: string | undefined
  readonly lock?: S3Lock | undefined
  readonly limits?: Partial<S3Limits> | undefined
}

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3Lock {
  readonly mode: 'governance' | 'compliance'
  readonly days: number
}

export interface S3Limits {
  /** Objects above this size are uploaded in parts of it; Amazon wants at least 5 MiB. */
  readonly partBytes: number
  readonly connectMs: number
  /** A connection on which nothing moves for so long is given up. */
  readonly idleMs: number
  /** No new try of a call starts after this long. */
  readonly retryMs: number
  readonly firstDelayMs: number
}

export const defaultLimits: S3Limits = {
  partBytes: 8 << 20,
  connectMs: 10_000,
  idleMs: 30_000,
  retryMs: 90_000,
  firstDelayMs: 200,
}

/** `s3://bucket/prefix`, for messages. */
export function locationOf({ bucket, prefix }: Pick<S3Options, 'bucket' | 'prefix'>): string {
  return `s3://${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`
}

/** Empty or `a/b/`, whatever slashes were written around it. */
export function normalPrefix(text: string | undefined): string {
  const parts = (text ?? '').split('/').filter((part) => part !== '')
  return parts.length === 0 ? '' : `${parts.join('/')}/`
}
