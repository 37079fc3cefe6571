// What a bucket holds: names, and every version of them.
import {
  ListObjectVersionsCommand,
  ListObjectsV2Command,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3'

import type { ObjectInfo, ObjectVersion } from '../../contract.ts'
import { isObjectName } from '../names.ts'
import type { S3Connection } from './connection.ts'
import type { S3Options } from './options.ts'

export interface Listing {
  readonly connection: S3Connection
  readonly options: S3Options
  readonly signal: AbortSignal
  /** Only what lies behind that name. */
  readonly after?: string | undefined
}

/** Some answers tell times to the second, others to the millisecond: all are cut, so that they can be compared. */
export function wholeSeconds(time: Date | undefined): number {
  return Math.floor((time?.getTime() ?? 0) / 1000) * 1000
}

export async function* listPlain(prefix: string, listing: Listing): AsyncGenerator<ObjectInfo> {
  const { connection, options, signal, after } = listing
  signal.throwIfAborted()
  const begin = after === undefined ? {} : { StartAfter: `${options.prefix}${after}` }
  let token: string | undefined
  do {
    const input = { Bucket: options.bucket, Prefix: `${options.prefix}${prefix}`, ContinuationToken: token, ...begin }
    const page = await connection.call({ what: `list ${prefix === '' ? 'objects' : prefix}`, signal }, (abortSignal) =>
      connection.client.send(new ListObjectsV2Command(input), { abortSignal }),
    )
    for (const one of page.Contents ?? []) {
      const name = one.Key!.slice(options.prefix.length)
      if (isObjectName(name)) yield { name, bytes: one.Size ?? 0, modifiedMs: wholeSeconds(one.LastModified) }
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined
  } while (token !== undefined)
}

export async function* listVersions(prefix: string, listing: Listing): AsyncGenerator<ObjectVersion> {
  const { connection, options, signal } = listing
  signal.throwIfAborted()
  let after: { KeyMarker: string | undefined; VersionIdMarker?: string | undefined } | undefined =
    listing.after === undefined ? undefined : { KeyMarker: `${options.prefix}${listing.after}` }
  do {
    const input = { Bucket: options.bucket, Prefix: `${options.prefix}${prefix}`, ...after }
    const page = await connection.call(
      { what: `list versions of ${prefix === '' ? 'objects' : prefix}`, signal },
      (abortSignal) => connection.client.send(new ListObjectVersionsCommand(input), { abortSignal }),
    )
    yield* versionsOf(page, options.prefix)
    after =
      page.IsTruncated === true
        ? { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker }
        : undefined
  } while (after !== undefined)
}

/** The library gives versions and markers apart: they are put together in the order of the answer. */
function versionsOf(page: ListObjectVersionsCommandOutput, prefix: string): ObjectVersion[] {
  const all: ObjectVersion[] = []
  for (const isDeleteMarker of [false, true]) {
    for (const one of (isDeleteMarker ? page.DeleteMarkers : page.Versions) ?? []) {
      const name = one.Key!.slice(prefix.length)
      if (!isObjectName(name)) continue
      const bytes = 'Size' in one ? Number(one.Size ?? 0) : 0
      const modifiedMs = wholeSeconds(one.LastModified)
      all.push({ name, version: one.VersionId, bytes, modifiedMs, isLatest: one.IsLatest ?? false, isDeleteMarker })
    }
  }
  return all.sort(
    (one, other) =>
      (one.name < other.name ? -1 : one.name > other.name ? 1 : 0) ||
      Number(other.isLatest) - Number(one.isLatest) ||
      other.modifiedMs - one.modifiedMs ||
      Number(other.isDeleteMarker) - Number(one.isDeleteMarker),
  )
}

/**
 * Of each name the oldest version: what was put first. Nothing of ours is ever put over it, so whatever is newer is a shadow. A name under
 * which only delete markers are left is none.
 */
export async function* listOriginals(prefix: string, listing: Listing): AsyncGenerator<ObjectInfo> {
  let last: ObjectVersion | undefined
  for await (const one of listVersions(prefix, listing)) {
    if (last && last.name !== one.name) {
      yield infoOf(last)
      last = undefined
    }
    if (!one.isDeleteMarker) last = one
  }
  if (last) yield infoOf(last)
}

function infoOf({ name, bytes, modifiedMs, version }: ObjectVersion): ObjectInfo {
  return { name, bytes, modifiedMs, ...(version === undefined ? {} : { version }) }
}
