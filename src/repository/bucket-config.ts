// How wharf.yaml and the command line say which bucket, and how it is used.
import { z } from 'zod'

import { secret, whole } from '../base/config-types.ts'
import { storeErrors as errors } from './store-errors.ts'
import { normalPrefix, type S3Options } from './store/s3/options.ts'

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export const bucketSchema = z
  .strictObject({
    bucket: z.string().regex(BUCKET, 'a bucket has 3 to 63 lower case letters, digits, dots and dashes'),
    prefix: z.string().optional().describe('Folder within the bucket, for this repository alone.'),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("URL of the server, where it is not Amazon's."),
    region: z.string().min(1).optional().describe('As the server calls it; else AWS_REGION says, or the profile.'),
    path_style: z.boolean().optional().describe('The bucket stands in the path of the URL, not in the host name.'),
    access_key_id: z
      .string()
      .min(1)
      .optional()
      .describe('Left out: profile, AWS_… variables, or the role of the machine.'),
    secret_access_key: secret().optional().describe('As ${env:NAME} or ${file:PATH}.'),
    session_token: secret().optional().describe('Of temporary credentials, as ${env:NAME} or ${file:PATH}.'),
    profile: z.string().min(1).optional().describe('Of the shared configuration and credentials files of AWS tools.'),
    sse: z.enum(['AES256', 'aws:kms']).optional().describe('Encryption by the server, beside our own.'),
    kms_key_id: z.string().min(1).optional().describe('Key for sse: aws:kms; left out: the one of the bucket.'),
    storage_class: z
      .string()
      .regex(/^[A-Z0-9_]+$/, 'a storage class is like STANDARD_IA')
      .optional(),
  })
  .refine((one) => (one.access_key_id === undefined) === (one.secret_access_key === undefined), {
    message: 'access_key_id and secret_access_key belong together',
  })
  .refine((one) => one.session_token === undefined || one.secret_access_key !== undefined, {
    message: 'session_token needs access_key_id and secret_access_key',
  })
  .refine((one) => one.profile === undefined || one.access_key_id === undefined, {
    message: 'give either profile or access_key_id',
  })
  .refine((one) => one.kms_key_id === undefined || one.sse === 'aws:kms', { message: 'kms_key_id needs sse: aws:kms' })

export const lockSchema = z.strictObject({
  mode: z
    .enum(['governance', 'compliance'])
    .describe('compliance: nobody can remove objects before their time; governance: who has a special right can.'),
  days: whole(1, 36_500).describe('How long what a backup needs stays locked after it was taken.'),
})

export function bucketOptions(
  s3: z.output<typeof bucketSchema>,
  lock: z.output<typeof lockSchema> | undefined,
): S3Options {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = s3
  return {
    bucket: s3.bucket,
    prefix: normalPrefix(s3.prefix),
    endpoint: s3.endpoint,
    region: s3.region,
    pathStyle: s3.path_style,
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined
        ? undefined
        : { accessKeyId, secretAccessKey: secretAccessKey.reveal(), sessionToken: s3.session_token?.reveal() },
    profile: s3.profile,
    encryption: s3.sse === undefined ? undefined : { by: s3.sse, keyId: s3.kms_key_id },
    storageClass: s3.storage_class,
    lock,
  }
}

export interface BucketFlags {
  /** `s3://bucket/prefix`. */
  readonly url: string
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly pathStyle?: boolean | undefined
  readonly profile?: string | undefined
}

/** A bucket named on the command line: credentials come from the environment. Rejects with `repository.bad-bucket-url`. */
export function bucketFromFlags({ url, ...rest }: BucketFlags): S3Options {
  const { bucket, prefix } = parseBucketUrl(url)
  return { bucket, prefix: normalPrefix(prefix), ...rest }
}

export function parseBucketUrl(url: string): { readonly bucket: string; readonly prefix: string | undefined } {
  const match = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url)
  if (!match || !BUCKET.test(match[1]!)) throw errors.badBucketUrl({ url })
  return { bucket: match[1]!, prefix: match[2] === '' ? undefined : match[2] }
}
