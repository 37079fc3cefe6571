// Lists of the test server, in pages.
import type { Bucket, Version } from './bucket.ts'
import type { Serving } from './operations.ts'

const text = (value: string): string => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
const time = (ms: number): string => new Date(ms).toISOString()

function pageOf(serving: Serving, query: URLSearchParams): number {
  return Math.min(Number(query.get('max-keys') ?? serving.pageSize), serving.pageSize)
}

function isListed(serving: Serving, version: Version): boolean {
  // A clock that went back hides nothing.
  return serving.listLagMs === 0 || version.modifiedMs <= serving.now() - serving.listLagMs
}

/** Versions 1 and 2, with delimiters. */
export function listObjects(serving: Serving, bucket: Bucket, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const after = query.get('continuation-token') ?? query.get('start-after') ?? query.get('marker') ?? ''
  const limit = pageOf(serving, query)
  const contents: string[] = []
  const folders = new Set<string>()
  let last = ''
  let isTruncated = false
  for (const key of bucket.sortedKeys()) {
    if (!key.startsWith(prefix) || key <= after) continue
    const version = bucket.current(key)
    if (!version || !isListed(serving, version)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const folder = cut < 0 ? undefined : key.slice(0, cut + delimiter.length)
    if (folder !== undefined && (folders.has(folder) || after.startsWith(folder))) {
      last = key
      continue
    }
    if (contents.length + folders.size >= limit) {
      isTruncated = true
      break
    }
    last = key
    if (folder === undefined)
      contents.push(
        `<Contents><Key>${text(key)}</Key><LastModified>${time(version.modifiedMs)}</LastModified><ETag>${text(version.etag)}</ETag><Size>${version.body.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
      )
    else folders.add(folder)
  }
  const next = isTruncated
    ? `<NextContinuationToken>${text(last)}</NextContinuationToken><NextMarker>${text(last)}</NextMarker>`
    : ''
  return `<ListBucketResult><Prefix>${text(prefix)}</Prefix><KeyCount>${contents.length + folders.size}</KeyCount><MaxKeys>${limit}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}${[...folders].map((one) => `<CommonPrefixes><Prefix>${text(one)}</Prefix></CommonPrefixes>`).join('')}</ListBucketResult>`
}

export function listVersions(serving: Serving, bucket: Bucket, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const keyMarker = query.get('key-marker') ?? ''
  const idMarker = query.get('version-id-marker')
  const limit = pageOf(serving, query)
  const found: string[] = []
  let last: { key: string; id: string } | undefined
  let isTruncated = false
  for (const key of bucket.sortedKeys()) {
    if (!key.startsWith(prefix) || key < keyMarker || (key === keyMarker && idMarker === null)) continue
    const all = (bucket.objects.get(key) ?? []).filter((one) => isListed(serving, one)).toReversed()
    const skip = key === keyMarker ? all.findIndex((one) => one.id === idMarker) + 1 : 0
    for (const [at, one] of all.entries()) {
      if (at < skip) continue
      if (found.length >= limit) {
        isTruncated = true
        break
      }
      last = { key, id: one.id }
      const facts = `<Key>${text(key)}</Key><VersionId>${one.id}</VersionId><IsLatest>${at === 0}</IsLatest><LastModified>${time(one.modifiedMs)}</LastModified>`
      found.push(
        one.isMarker
          ? `<DeleteMarker>${facts}</DeleteMarker>`
          : `<Version>${facts}<ETag>${text(one.etag)}</ETag><Size>${one.body.length}</Size></Version>`,
      )
    }
    if (isTruncated) break
  }
  const next = isTruncated
    ? `<NextKeyMarker>${text(last!.key)}</NextKeyMarker><NextVersionIdMarker>${last!.id}</NextVersionIdMarker>`
    : ''
  return `<ListVersionsResult><Prefix>${text(prefix)}</Prefix><MaxKeys>${limit}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${next}${found.join('')}</ListVersionsResult>`
}

export function listUploads(bucket: Bucket, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const found = [...bucket.uploads.values()].filter((one) => one.key.startsWith(prefix))
  const rows = found.map(
    (one) =>
      `<Upload><Key>${text(one.key)}</Key><UploadId>${one.id}</UploadId><Initiated>${time(one.startedMs)}</Initiated></Upload>`,
  )
  return `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListMultipartUploadsResult>`
}
