// JSON parts of a manifest: LSNs as text, the system identifier as decimal text. Strict on reading.
import { z } from 'zod'

import { parseLsn, formatLsn } from '../../wal/lsn.ts'
import type { BackupSummary, ManifestDraft } from '../contract.ts'

const count = z.number().int().min(0)
const lsn = z.string().transform((text, issues) => {
  try {
    return parseLsn(text)
  } catch {
    issues.issues.push({ code: 'custom', message: 'not an LSN', input: text })
    return z.NEVER
  }
})
const relationFile = z.strictObject({ tablespace: count, database: count, relfilenode: count })

/** How many items each list has: a reader that counts others has not got the whole manifest. */
const counts = z.strictObject({
  files: count,
  relations: count,
  folders: count,
  unlogged: count,
  corrupt: count,
  packs: count,
  outsideFiles: count,
  scratch: count.default(0),
})
export type ManifestCounts = z.infer<typeof counts>

export const headSchema = z.strictObject({
  id: z.string(),
  warehouse: z.string(),
  node: z.string(),
  kind: z.enum(['full', 'differential', 'incremental']),
  parent: z.string().optional(),
  independent: z.boolean().default(false),
  systemIdentifier: z
    .string()
    .regex(/^\d{1,20}$/)
    .transform(BigInt),
  timeline: count,
  startLsn: lsn,
  stopLsn: lsn,
  /** Left out by those who knew no tiers: it is startLsn then. */
  replayFromLsn: lsn.optional(),
  checkpointLsn: lsn,
  startedMs: z.number(),
  finishedMs: z.number(),
  postgresVersion: count,
  catalogVersion: count,
  walSegmentBytes: count,
  blockBytes: count,
  dataChecksums: z.boolean(),
  tablespaces: z.array(z.strictObject({ oid: count, name: z.string(), location: z.string().optional() })),
  statistics: z.strictObject({
    clusterBytes: z.number(),
    readBytes: z.number(),
    newBytes: z.number(),
    storedBytes: z.number(),
    sharedBytes: z.number(),
    staticBytes: z.number().default(0),
    auditedBytes: z.number().default(0),
    deferredBytes: z.number().default(0),
    skippedScratchBytes: z.number().default(0),
    changeMapBytes: z.number().default(0),
    durationMs: z.number(),
  }),
  madeBy: z.string(),
  corruptBlocks: count,
  unloggedBytes: z.number(),
  counts,
  leaseUntilMs: z.number(),
  /** Only where objects are locked: everything that the manifest names is, until then at least. */
  lockedUntilMs: z.number().optional(),
})
export type ManifestHead = z.infer<typeof headSchema>

export const detailsSchema = z.strictObject({
  history: z.string(),
  backupLabel: z.string(),
  tablespaceMap: z.string(),
  settings: z.record(z.string(), z.string()),
  distrusted: z.array(z.strictObject({ file: relationFile, since: z.string(), reason: z.string() })).default([]),
  olderImages: z
    .array(z.strictObject({ lsn, backup: z.string(), atMs: z.number(), bytes: z.number(), label: z.string() }))
    .default([]),
})

export const relationsSchema = z.array(
  z.strictObject({
    database: z.string(),
    databaseOid: count,
    schema: z.string(),
    name: z.string(),
    oid: count,
    file: relationFile,
    kind: z.string(),
    persistence: z.enum(['p', 'u', 't']),
    belongsTo: count.optional(),
    tier: z.enum(['critical', 'standard', 'scratch']),
  }),
)
export const foldersSchema = z.array(z.strictObject({ path: z.string(), mode: count }))
export const unloggedSchema = z.array(z.strictObject({ path: z.string(), bytes: z.number() }))
export const scratchSchema = z.array(z.strictObject({ path: z.string(), mode: count, bytes: z.number() }))
export const corruptSchema = z.array(
  z.strictObject({ file: z.string(), block: count, reason: z.enum(['checksum', 'header', 'unreadable']) }),
)
export const packsSchema = z.array(z.string().regex(/^[0-9a-f]{32}$/))
export const outsideFilesSchema = z.array(z.strictObject({ path: z.string(), content: z.string() }))

/** The head's JSON value; what JSON cannot hold is text. */
export function headValue(manifest: ManifestDraft, leaseUntilMs: number, lockedUntilMs?: number): object {
  const {
    files,
    relations,
    unlogged,
    folders,
    history,
    backupLabel,
    olderImages,
    tablespaceMap,
    settings,
    outsideFiles,
    packs,
    corrupt,
    scratch,
    distrusted,
    ...facts
  } = manifest
  void [history, backupLabel, olderImages, tablespaceMap, settings, distrusted]
  const { deferredBytes, ...statistics } = facts.statistics
  return {
    ...facts,
    // Readers from before refuse the key, as they must where something was deferred, and only there.
    statistics: deferredBytes === 0 ? statistics : { ...statistics, deferredBytes },
    systemIdentifier: facts.systemIdentifier.toString(),
    startLsn: formatLsn(facts.startLsn),
    stopLsn: formatLsn(facts.stopLsn),
    replayFromLsn: formatLsn(facts.replayFromLsn),
    checkpointLsn: formatLsn(facts.checkpointLsn),
    corruptBlocks: corrupt.length,
    unloggedBytes: unlogged.reduce((sum, one) => sum + one.bytes, 0),
    counts: {
      files: files.length,
      relations: relations.length,
      folders: folders.length,
      unlogged: unlogged.length,
      corrupt: corrupt.length,
      packs: packs.length,
      outsideFiles: outsideFiles.length,
      scratch: scratch.length,
    },
    leaseUntilMs,
    lockedUntilMs,
  }
}

/** The details' JSON value. */
export function detailsValue(manifest: ManifestDraft): object {
  const { history, backupLabel, tablespaceMap, settings, distrusted, olderImages } = manifest
  const older = olderImages.map((one) => ({ ...one, lsn: formatLsn(one.lsn) }))
  return {
    history,
    backupLabel,
    tablespaceMap,
    settings,
    distrusted,
    ...(older.length === 0 ? {} : { olderImages: older }),
  }
}

/** What a list of backups shows. Optional fields that JSON left out come back as undefined. */
export function summaryOf(head: ManifestHead): BackupSummary {
  const { counts, leaseUntilMs, lockedUntilMs, ...facts } = head
  void [counts, leaseUntilMs, lockedUntilMs]
  return {
    ...facts,
    parent: facts.parent,
    replayFromLsn: facts.replayFromLsn ?? facts.startLsn,
    tablespaces: facts.tablespaces.map((one) => ({ oid: one.oid, name: one.name, location: one.location })),
  }
}
