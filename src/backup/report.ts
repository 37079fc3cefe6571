// What is said about one complete backup: the output of `backup run` and `backup show`.
import { z } from 'zod'

import type { Listing } from '../base/packed-list.ts'
import { formatDuration, formatSize } from '../base/units.ts'
import type { ManifestDraft, MappedRelation } from '../repository/contract.ts'
import type { RelationFile } from '../wal/contract.ts'
import { formatLsn } from '../wal/lsn.ts'
import { kindSchema } from './config.ts'
import { parseSegmentPath } from './source/paths.ts'

const named = z.strictObject({
  database: z.string().optional(),
  /** `schema.name`; the path of the file where the relation map does not know it. */
  relation: z.string(),
  bytes: z.number(),
})

export const backupReport = z.strictObject({
  state: z.literal('complete'),
  id: z.string(),
  warehouse: z.string(),
  repository: z.string(),
  kind: kindSchema,
  parent: z.string().optional(),
  independent: z.boolean(),
  startedAt: z.string(),
  finishedAt: z.string(),
  durationMs: z.number(),
  timeline: z.number(),
  startLsn: z.string(),
  stopLsn: z.string(),
  replayFromLsn: z
    .string()
    .describe('where a restore begins to replay: the start, or that of the oldest image that a tier has left'),
  postgresVersion: z.number(),
  dataChecksums: z.boolean(),
  clusterBytes: z.number(),
  readBytes: z.number(),
  newBytes: z.number(),
  storedBytes: z.number(),
  sharedBytes: z.number(),
  staticBytes: z.number(),
  auditedBytes: z.number(),
  deferredBytes: z.number(),
  skippedScratchBytes: z.number(),
  changeMapBytes: z.number(),
  files: z.number(),
  relations: z.number(),
  unlogged: z.array(named),
  scratch: z.array(named),
  corrupt: z.array(
    z.strictObject({
      file: z.string(),
      block: z.number(),
      reason: z.enum(['checksum', 'header', 'unreadable']),
      database: z.string().optional(),
      relation: z.string().optional(),
    }),
  ),
  copies: z.array(
    z.strictObject({
      repository: z.string(),
      state: z.enum(['complete', 'failed']),
      bytes: z.number().describe('what was copied; the rest was there'),
      problem: z.string().optional(),
    }),
  ),
  notes: z.array(z.string()),
})
export type BackupReport = z.output<typeof backupReport>

export function reportOf(
  manifest: ManifestDraft,
  more: { repository: string; notes: readonly string[]; copies?: readonly BackupReport['copies'][number][] },
): BackupReport {
  const relations = new RelationNames(manifest.relations, [
    ...manifest.unlogged,
    ...manifest.corrupt.map(({ file }) => ({ path: file })),
  ])
  return {
    state: 'complete',
    id: manifest.id,
    warehouse: manifest.warehouse,
    repository: more.repository,
    kind: manifest.kind,
    ...(manifest.parent === undefined ? {} : { parent: manifest.parent }),
    independent: manifest.independent,
    startedAt: new Date(manifest.startedMs).toISOString(),
    finishedAt: new Date(manifest.finishedMs).toISOString(),
    timeline: manifest.timeline,
    startLsn: formatLsn(manifest.startLsn),
    stopLsn: formatLsn(manifest.stopLsn),
    replayFromLsn: formatLsn(manifest.replayFromLsn),
    postgresVersion: manifest.postgresVersion,
    dataChecksums: manifest.dataChecksums,
    ...manifest.statistics,
    files: manifest.files.length,
    relations: manifest.relations.length,
    unlogged: byRelation(manifest.unlogged, relations),
    scratch: byRelation(manifest.scratch, relations),
    corrupt: manifest.corrupt.map((one) => ({ ...one, ...relations.of(one.file) })),
    copies: [...(more.copies ?? [])],
    notes: [...more.notes],
  }
}

class RelationNames {
  private readonly names = new Map<string, { database: string; relation: string }>()

  /** Only the relations of these files are looked up: there may be a million others. */
  constructor(relations: Listing<MappedRelation>, files: readonly { readonly path: string }[]) {
    const wanted = new Set(files.map(({ path }) => keyOfPath(path)))
    if (wanted.size === 0) return
    for (const { file, database, schema, name } of relations)
      if (wanted.has(key(file))) this.names.set(key(file), { database, relation: `${schema}.${name}` })
  }

  of(path: string): { database: string; relation: string } | undefined {
    const segment = parseSegmentPath(path)
    return segment && this.names.get(key(segment.file))
  }
}

function keyOfPath(path: string): string | undefined {
  const segment = parseSegmentPath(path)
  return segment && key(segment.file)
}

function key(file: RelationFile): string {
  return `${file.tablespace}/${file.database}/${file.relfilenode}`
}

/** Files of one relation together, largest relation first. */
function byRelation(
  files: readonly { readonly path: string; readonly bytes: number }[],
  relations: RelationNames,
): z.output<typeof named>[] {
  const found = new Map<string, z.output<typeof named>>()
  for (const { path, bytes } of files) {
    const name = relations.of(path) ?? { relation: path.replace(/(_(fsm|vm))?(\.\d+)?$/, '') }
    const id = JSON.stringify(name)
    found.set(id, { ...name, bytes: bytes + (found.get(id)?.bytes ?? 0) })
  }
  return [...found.values()].toSorted((one, other) => other.bytes - one.bytes)
}

/** The report for people. */
export function reportText(report: BackupReport): string {
  const lines = [
    `${report.kind} backup ${report.id} of ${report.warehouse} in ${report.repository}: complete`,
    `  took       ${formatDuration(report.durationMs)}`,
    `  cluster    ${formatSize(report.clusterBytes)} in ${report.files} files`,
    `  read       ${formatSize(report.readBytes)}`,
    `  new        ${formatSize(report.newBytes)}, stored as ${formatSize(report.storedBytes)}`,
    `  shared     ${formatSize(report.sharedBytes)}${report.parent === undefined ? '' : ` with ${report.parent} and older`}`,
    ...(report.staticBytes > 0 ? [`  static     ${formatSize(report.staticBytes)} of that not even opened`] : []),
    ...(report.deferredBytes > 0
      ? [
          `  deferred   ${formatSize(report.deferredBytes)} of that left as older backups have it: a restore replays WAL from ${report.replayFromLsn} on`,
        ]
      : []),
    ...(report.auditedBytes > 0
      ? [`  audited    ${formatSize(report.auditedBytes)} of what had not changed, as stored`]
      : []),
    `  wal        ${report.startLsn} to ${report.stopLsn} on timeline ${report.timeline}`,
  ]
  for (const one of report.unlogged)
    lines.push(
      `  unlogged   ${nameOf(one)} (${formatSize(one.bytes)}) is not protected: a restore brings it back empty`,
    )
  for (const one of report.scratch)
    lines.push(
      `  scratch    ${nameOf(one)} (${formatSize(one.bytes)}) is left out by its tier: a restore brings it back empty`,
    )
  for (const one of report.corrupt)
    lines.push(`  CORRUPT    block ${one.block} of ${one.file} (${one.relation ?? 'unknown relation'}): ${one.reason}`)
  for (const one of report.copies) {
    const what = one.state === 'complete' ? `complete, ${formatSize(one.bytes)} copied` : `FAILED: ${one.problem}`
    lines.push(`  copy       in ${one.repository}: ${what}`)
  }
  for (const note of report.notes) lines.push(`  note       ${note}`)
  return lines.join('\n')
}

function nameOf(one: { database?: string | undefined; relation: string }): string {
  return one.database === undefined ? one.relation : `${one.database}: ${one.relation}`
}
