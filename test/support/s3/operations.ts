// What the test server understands, and how it answers.
import type { IncomingMessage } from 'node:http'

import { crcOf, etagOf, verifyChecksums, type Bucket, type Upload, type Version } from './bucket.ts'
import { listObjects, listUploads, listVersions } from './lists.ts'
import { Refusal } from './signature.ts'

export const operations = [
  'ListBuckets',
  'CreateBucket',
  'HeadBucket',
  'GetBucketLocation',
  'GetBucketVersioning',
  'PutBucketVersioning',
  'GetObjectLockConfiguration',
  'PutObjectLockConfiguration',
  'ListObjects',
  'ListObjectVersions',
  'ListMultipartUploads',
  'PutObject',
  'GetObject',
  'HeadObject',
  'DeleteObject',
  'PutObjectRetention',
  'GetObjectRetention',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
] as const
export type Operation = (typeof operations)[number]

export interface Asked {
  readonly operation: Operation
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** By a fault: checksums are not held against it. */
  readonly isTampered?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Serving {
  readonly buckets: Map<string, Bucket>
  readonly pageSize: number
  readonly conditionalPuts: boolean
  readonly listLagMs: number
  now(): number
  makeBucket(name: string, options: { lock?: boolean }): Bucket
}

export function operationOf(request: IncomingMessage, url: URL, body: Buffer): Asked {
  const [bucket = '', ...rest] = url.pathname.slice(1).split('/').map(decodeURIComponent)
  const key = rest.join('/')
  const query = url.searchParams
  const method = request.method!
  const operation = nameOf(method, { bucket, key, query })
  if (!operation) throw new Refusal(405, 'MethodNotAllowed', `${method} ${url.pathname}${url.search}`)
  return { operation, method, bucket, key, query, headers: request.headers, body }
}

function nameOf(method: string, at: { bucket: string; key: string; query: URLSearchParams }): Operation | undefined {
  const { bucket, key, query } = at
  if (bucket === '') return method === 'GET' ? 'ListBuckets' : undefined
  if (key === '') {
    if (method === 'HEAD') return 'HeadBucket'
    const part = ['versioning', 'object-lock', 'location', 'versions', 'uploads'].find((one) => query.has(one))
    if (method === 'PUT')
      return part === undefined
        ? 'CreateBucket'
        : part === 'versioning'
          ? 'PutBucketVersioning'
          : part === 'object-lock'
            ? 'PutObjectLockConfiguration'
            : undefined
    if (method !== 'GET') return undefined
    const gets = {
      versioning: 'GetBucketVersioning',
      'object-lock': 'GetObjectLockConfiguration',
      location: 'GetBucketLocation',
      versions: 'ListObjectVersions',
      uploads: 'ListMultipartUploads',
    } as const
    return part === undefined ? 'ListObjects' : gets[part as keyof typeof gets]
  }
  const isRetention = query.has('retention')
  switch (method) {
    case 'PUT':
      return query.has('uploadId') ? 'UploadPart' : isRetention ? 'PutObjectRetention' : 'PutObject'
    case 'GET':
      return isRetention ? 'GetObjectRetention' : 'GetObject'
    case 'HEAD':
      return 'HeadObject'
    case 'DELETE':
      return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject'
    case 'POST':
      return query.has('uploads')
        ? 'CreateMultipartUpload'
        : query.has('uploadId')
          ? 'CompleteMultipartUpload'
          : undefined
    default:
      return undefined
  }
}

const ok = (headers: Record<string, string> = {}, body: string | Buffer = ''): Answer => ({
  status: 200,
  headers,
  body: Buffer.from(body as string),
})
const xml = (body: string): Answer =>
  ok({ 'content-type': 'application/xml' }, `<?xml version="1.0" encoding="UTF-8"?>\n${body}`)
const tag = (body: Buffer, name: string): string | undefined =>
  new RegExp(`<${name}>([^<]*)</${name}>`).exec(body.toString())?.[1]

export function answer(serving: Serving, asked: Asked): Answer {
  if (asked.operation === 'ListBuckets')
    return xml(
      `<ListAllMyBucketsResult><Owner><ID>t</ID></Owner><Buckets>${[...serving.buckets.keys()].map((name) => `<Bucket><Name>${name}</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket>`).join('')}</Buckets></ListAllMyBucketsResult>`,
    )
  if (asked.operation === 'CreateBucket') {
    serving.makeBucket(asked.bucket, { lock: asked.headers['x-amz-bucket-object-lock-enabled'] === 'true' })
    return ok()
  }
  const bucket = serving.buckets.get(asked.bucket)
  if (!bucket) throw new Refusal(404, 'NoSuchBucket')
  return asked.key === '' ? ofBucket(serving, bucket, asked) : ofObject(serving, bucket, asked)
}

function ofBucket(serving: Serving, bucket: Bucket, asked: Asked): Answer {
  switch (asked.operation) {
    case 'HeadBucket':
      return ok()
    case 'GetBucketLocation':
      return xml('<LocationConstraint>us-east-1</LocationConstraint>')
    case 'GetBucketVersioning':
      return xml(
        `<VersioningConfiguration>${bucket.versioning ? '<Status>Enabled</Status>' : ''}</VersioningConfiguration>`,
      )
    case 'PutBucketVersioning':
      bucket.versioning = tag(asked.body, 'Status') === 'Enabled'
      return ok()
    case 'GetObjectLockConfiguration': {
      if (!bucket.lock) throw new Refusal(404, 'ObjectLockConfigurationNotFoundError')
      const usual = bucket.defaultRetention
      const rule = usual
        ? `<Rule><DefaultRetention><Mode>${usual.mode}</Mode><Days>${usual.days}</Days></DefaultRetention></Rule>`
        : ''
      return xml(
        `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`,
      )
    }
    case 'PutObjectLockConfiguration': {
      const mode = tag(asked.body, 'Mode')
      bucket.defaultRetention = mode === undefined ? undefined : { mode, days: Number(tag(asked.body, 'Days')) }
      return ok()
    }
    case 'ListObjectVersions':
      return xml(listVersions(serving, bucket, asked.query))
    case 'ListMultipartUploads':
      return xml(listUploads(bucket, asked.query))
    default:
      return xml(listObjects(serving, bucket, asked.query))
  }
}

function ofObject(serving: Serving, bucket: Bucket, asked: Asked): Answer {
  switch (asked.operation) {
    case 'PutObject':
      return putObject(serving, bucket, asked)
    case 'GetObject':
    case 'HeadObject':
      return getObject(bucket, asked)
    case 'DeleteObject':
      return deleteObject(serving, bucket, asked)
    case 'PutObjectRetention':
      return putRetention(bucket, asked)
    case 'GetObjectRetention': {
      const { retention } = required(bucket, asked)
      if (!retention) throw new Refusal(404, 'NoSuchObjectLockConfiguration')
      return xml(
        `<Retention><Mode>${retention.mode}</Mode><RetainUntilDate>${new Date(retention.untilMs).toISOString()}</RetainUntilDate></Retention>`,
      )
    }
    default:
      return ofUpload(serving, bucket, asked)
  }
}

function keptHeaders({ headers }: Asked): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers))
    if (
      typeof value === 'string' &&
      (name.startsWith('x-amz-meta-') ||
        name === 'content-type' ||
        name === 'x-amz-storage-class' ||
        name.startsWith('x-amz-server-side-encryption'))
    )
      kept[name] = value
  return kept
}

function requireFree(serving: Serving, bucket: Bucket, asked: Asked): void {
  if (asked.headers['if-none-match'] === '*' && serving.conditionalPuts && bucket.current(asked.key))
    throw new Refusal(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold')
}

function stored(bucket: Bucket, version: Version): Record<string, string> {
  return { etag: version.etag, ...(bucket.versioning ? { 'x-amz-version-id': version.id } : {}) }
}

function putObject(serving: Serving, bucket: Bucket, asked: Asked): Answer {
  const isChecked = asked.isTampered === true || verifyChecksums(asked.headers, asked.body)
  const retention = bucket.retentionFor(asked.headers, serving.now())
  if (asked.headers['x-amz-object-lock-mode'] !== undefined && !isChecked)
    throw new Refusal(
      400,
      'InvalidRequest',
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    )
  requireFree(serving, bucket, asked)
  const version = bucket.add(asked.key, {
    body: Buffer.from(asked.body),
    etag: etagOf(asked.body),
    modifiedMs: serving.now(),
    isMarker: false,
    headers: keptHeaders(asked),
    retention,
  })
  return ok({ ...stored(bucket, version), 'x-amz-checksum-crc32c': crcOf(version.body) })
}

function required(bucket: Bucket, asked: Asked): Version {
  const id = asked.query.get('versionId')
  const version = bucket.find(asked.key, id)
  if (!version) throw new Refusal(404, id === null ? 'NoSuchKey' : 'NoSuchVersion')
  if (version.isMarker) {
    if (id === null) throw new Refusal(404, 'NoSuchKey', 'delete marker')
    throw new Refusal(405, 'MethodNotAllowed')
  }
  return version
}

function getObject(bucket: Bucket, asked: Asked): Answer {
  const version = required(bucket, asked)
  const { retention, body } = version
  const headers = {
    ...version.headers,
    ...stored(bucket, version),
    'accept-ranges': 'bytes',
    'last-modified': new Date(version.modifiedMs).toUTCString(),
    ...(retention
      ? {
          'x-amz-object-lock-mode': retention.mode,
          'x-amz-object-lock-retain-until-date': new Date(retention.untilMs).toISOString(),
        }
      : {}),
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(String(asked.headers['range'] ?? ''))
  if (!range) return ok(headers, body)
  const from = Number(range[1])
  if (from >= body.length) throw new Refusal(416, 'InvalidRange')
  const to = Math.min(range[2] === '' ? body.length - 1 : Number(range[2]), body.length - 1)
  return {
    status: 206,
    headers: { ...headers, 'content-range': `bytes ${from}-${to}/${body.length}` },
    body: body.subarray(from, to + 1),
  }
}

function deleteObject(serving: Serving, bucket: Bucket, asked: Asked): Answer {
  const id = asked.query.get('versionId')
  if (id === null && bucket.versioning) {
    const marker = bucket.add(asked.key, {
      body: Buffer.alloc(0),
      etag: '',
      modifiedMs: serving.now(),
      isMarker: true,
      headers: {},
      retention: undefined,
    })
    return {
      status: 204,
      headers: { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.id },
      body: Buffer.alloc(0),
    }
  }
  const version = bucket.find(asked.key, id)
  if (version) {
    const bypass =
      asked.headers['x-amz-bypass-governance-retention'] === 'true' && version.retention?.mode === 'GOVERNANCE'
    if (version.retention && version.retention.untilMs > serving.now() && !bypass)
      throw new Refusal(403, 'AccessDenied', 'Access Denied because object protected by object lock.')
    bucket.drop(asked.key, version)
  }
  return { status: 204, headers: {}, body: Buffer.alloc(0) }
}

function putRetention(bucket: Bucket, asked: Asked): Answer {
  const version = required(bucket, asked)
  if (!bucket.lock) throw new Refusal(400, 'InvalidRequest', 'Bucket is missing Object Lock Configuration')
  const wanted = { mode: tag(asked.body, 'Mode') ?? '', untilMs: Date.parse(tag(asked.body, 'RetainUntilDate') ?? '') }
  const bypass =
    asked.headers['x-amz-bypass-governance-retention'] === 'true' && version.retention?.mode === 'GOVERNANCE'
  if (
    version.retention &&
    !bypass &&
    (wanted.untilMs < version.retention.untilMs ||
      (version.retention.mode === 'COMPLIANCE' && wanted.mode !== 'COMPLIANCE'))
  )
    throw new Refusal(403, 'AccessDenied', 'Access Denied because object protected by object lock.')
  version.retention = wanted
  return ok()
}

function ofUpload(serving: Serving, bucket: Bucket, asked: Asked): Answer {
  if (asked.operation === 'CreateMultipartUpload') {
    const id = `u${bucket.nextId()}`
    bucket.uploads.set(id, {
      id,
      key: asked.key,
      startedMs: serving.now(),
      headers: keptHeaders(asked),
      retention: bucket.retentionFor(asked.headers, serving.now()),
      parts: new Map(),
    })
    return xml(
      `<InitiateMultipartUploadResult><Bucket>${asked.bucket}</Bucket><Key>${asked.key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    )
  }
  const upload = bucket.uploads.get(asked.query.get('uploadId') ?? '')
  if (!upload || upload.key !== asked.key) throw new Refusal(404, 'NoSuchUpload')
  if (asked.operation === 'UploadPart') {
    if (asked.isTampered !== true) verifyChecksums(asked.headers, asked.body)
    const etag = etagOf(asked.body)
    upload.parts.set(Number(asked.query.get('partNumber')), { body: Buffer.from(asked.body), etag })
    return ok({ etag, 'x-amz-checksum-crc32c': crcOf(asked.body) })
  }
  if (asked.operation === 'AbortMultipartUpload') {
    bucket.uploads.delete(upload.id)
    return { status: 204, headers: {}, body: Buffer.alloc(0) }
  }
  return complete(serving, bucket, { asked, upload })
}

function complete(serving: Serving, bucket: Bucket, { asked, upload }: { asked: Asked; upload: Upload }): Answer {
  requireFree(serving, bucket, asked)
  const bodies: Buffer[] = []
  let last = 0
  for (const [, part] of asked.body.toString().matchAll(/<Part>(.*?)<\/Part>/gs)) {
    const number = Number(/<PartNumber>(\d+)</.exec(part!)?.[1])
    const etag = /<ETag>([^<]*)</.exec(part!)?.[1]?.replaceAll('&quot;', '"')
    const known = upload.parts.get(number)
    if (number <= last) throw new Refusal(400, 'InvalidPartOrder')
    if (!known || etag?.replaceAll('"', '') !== known.etag.replaceAll('"', '')) throw new Refusal(400, 'InvalidPart')
    last = number
    bodies.push(known.body)
  }
  if (bodies.length === 0) throw new Refusal(400, 'MalformedXML')
  const body = Buffer.concat(bodies)
  const etag = `${etagOf(body).slice(0, -1)}-${bodies.length}"`
  const version = bucket.add(asked.key, {
    body,
    etag,
    modifiedMs: serving.now(),
    isMarker: false,
    headers: upload.headers,
    retention: upload.retention,
  })
  bucket.uploads.delete(upload.id)
  const done = xml(
    `<CompleteMultipartUploadResult><Bucket>${asked.bucket}</Bucket><Key>${asked.key}</Key><ETag>${etag.replaceAll('"', '&quot;')}</ETag></CompleteMultipartUploadResult>`,
  )
  return { ...done, headers: { ...done.headers, ...stored(bucket, version) } }
}
