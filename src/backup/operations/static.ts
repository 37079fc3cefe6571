import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { formatTime } from '../../base/clock.ts'
import { isWharfError } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatSize } from '../../base/units.ts'
import { repositories, type BackupSummary, type Manifest } from '../../repository/contract.ts'
import { formatLsn } from '../../wal/lsn.ts'
import { warehouses, type Warehouse } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import { changeMapRule, standings, type RelationStanding } from '../plan/static-data.ts'
import { readActivity, type TableActivity } from '../server/freezing.ts'

const relation = z.strictObject({
  database: z.string(),
  /** `schema.name`. */
  relation: z.string(),
  bytes: z.number(),
  isStatic: z.boolean(),
  since: z.string().describe('start of the newest backup that stored anything of it'),
  sinceLsn: z.string().optional(),
  auditedAt: z.string().optional(),
  obstacles: z.array(z.strictObject({ what: z.string(), sql: z.string().optional() })),
})
const output = z.strictObject({
  warehouse: z.string(),
  repository: z.string(),
  backup: z.string(),
  staticBytes: z.number(),
  changingBytes: z.number(),
  relations: z.array(relation),
  changeMaps: z.strictObject({
    backups: z.number(),
    bytes: z.number().describe('change maps of the kept backups, each from its parent to itself, before compression'),
    ruleBytes: z.number().describe('1/250,000 of the cluster for each kept backup'),
    isAboveRule: z.boolean(),
  }),
  problems: z.array(z.string()),
})
type Output = z.output<typeof output>

export const staticData = defineOperation({
  name: 'backup static',
  summary: 'which relations stand still since when, and what keeps the others from it',
  description: [
    'What stands still is neither read nor stored again. The newest backup tells which relations do and since when; the server, if it can be reached, what is still to come: pages that a vacuum has yet to freeze, rows that are still changed, hint bits that go to WAL. With the SQL that would settle it.',
    'wharf backup static retail',
  ].join('\n\n'),
  input: z.strictObject({
    warehouse: declaredName().describe('name of the warehouse in wharf.yaml'),
    repository: declaredName().optional().describe('which of the repositories of the warehouse'),
  }),
  positional: ['warehouse'],
  output,
  role: 'viewer',
  danger: 'none',
  errors: ['backup.no-repository', 'backup.no-backup', 'warehouse.unknown'],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal): Promise<Output> => {
    const warehouse = (await context.use(warehouses)).get(input.warehouse)
    const name = input.repository ?? warehouse.declaration.repositories[0]
    if (name === undefined) throw backupErrors.noRepository({ warehouse: input.warehouse })
    const repository = await (await context.use(repositories)).open(name, signal)
    const backups = await repository.listBackups(signal, { warehouse: input.warehouse, onDamaged: () => {} })
    const newest = backups.at(-1)
    if (newest === undefined) throw backupErrors.noBackup({ warehouse: input.warehouse, repository: name })
    const manifest = await repository.readManifest(newest.id, signal)
    const { tables, problems, logsHints } = await askServer(warehouse, manifest, signal)
    const byTable = new Map(tables.map((one) => [`${one.database}/${one.oid}`, one]))
    const all = standings(manifest, backups)
    return {
      warehouse: input.warehouse,
      repository: name,
      backup: newest.id,
      staticBytes: sum(all.filter((one) => one.isStatic)),
      changingBytes: sum(all.filter((one) => !one.isStatic)),
      relations: all.map((one) => lineOf(one, byTable.get(`${one.database}/${one.oid}`), logsHints)),
      changeMaps: mapsOf(backups),
      problems: [...problems],
    }
  },
  text: (all) => [...headOf(all), ...all.relations.flatMap(textOf), ...all.problems].join('\n'),
})

const sum = (some: readonly RelationStanding[]): number => some.reduce((bytes, one) => bytes + one.bytes, 0)

async function askServer(
  warehouse: Warehouse,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<{ tables: readonly TableActivity[]; problems: readonly string[]; logsHints: boolean }> {
  const databases = [...new Set(manifest.relations.filter((one) => one.databaseOid !== 0).map((one) => one.database))]
  try {
    const facts = await warehouse.facts(signal)
    const found = await readActivity(warehouse, databases, { majorVersion: facts.majorVersion, signal })
    return { ...found, logsHints: facts.dataChecksums }
  } catch (error) {
    signal.throwIfAborted()
    if (!isWharfError(error)) throw error
    return {
      tables: [],
      problems: [`the server could not be asked what is still to come: ${error.message}`],
      logsHints: false,
    }
  }
}

function lineOf(
  one: RelationStanding,
  table: TableActivity | undefined,
  logsHints: boolean,
): z.output<typeof relation> {
  return {
    database: one.database,
    relation: `${one.schema}.${one.name}`,
    bytes: one.bytes,
    isStatic: one.isStatic,
    since: new Date(one.sinceMs).toISOString(),
    ...(one.lsn === undefined ? {} : { sinceLsn: formatLsn(one.lsn) }),
    ...(one.auditedMs === 0 ? {} : { auditedAt: new Date(one.auditedMs).toISOString() }),
    obstacles: table === undefined ? [] : obstaclesOf(one, table, logsHints),
  }
}

function obstaclesOf(
  one: RelationStanding,
  table: TableActivity,
  logsHints: boolean,
): { what: string; sql?: string }[] {
  const obstacles: { what: string; sql?: string }[] = []
  if (table.unfrozenPages > 0) {
    const counted = table.countedBy === 'pg_visibility' ? '' : ` (as of its last vacuum, by ${table.countedBy})`
    const hints = logsHints
      ? '; until then the first read after a change may write hint bits, which go to WAL with checksums on'
      : ''
    obstacles.push({
      what: `${table.unfrozenPages} of ${table.pages} pages are not frozen${counted}, age ${table.frozenXidAge}: a vacuum will still change them${hints}`,
      sql: `VACUUM (FREEZE) ${table.name};`,
    })
  }
  const changes = [
    [table.inserted, 'inserted'],
    [table.updated, 'updated'],
    [table.deleted, 'deleted'],
  ].filter(([count]) => Number(count) > 0)
  if (!one.isStatic && changes.length > 0)
    obstacles.push({
      what: `it changed since the backup before; rows ${changes.map(([count, what]) => `${what}: ${count}`).join(', ')} since its statistics began`,
    })
  return obstacles
}

function mapsOf(backups: readonly BackupSummary[]): Output['changeMaps'] {
  const bytes = backups.reduce((all, one) => all + one.statistics.changeMapBytes, 0)
  const clusterBytes = backups.at(-1)!.statistics.clusterBytes
  const ruleBytes = Math.round(changeMapRule({ clusterBytes, backups: backups.length }))
  return { backups: backups.length, bytes, ruleBytes, isAboveRule: bytes > ruleBytes }
}

function headOf(all: Output): string[] {
  const { changeMaps } = all
  return [
    `${all.warehouse}: ${formatSize(all.staticBytes)} stand still, ${formatSize(all.changingBytes)} changed before backup ${all.backup} in ${all.repository}`,
    `change maps of ${changeMaps.backups} backups: ${formatSize(changeMaps.bytes)}, ${changeMaps.isAboveRule ? 'ABOVE' : 'within'} the rule of 1/250,000 of the cluster for each (${formatSize(changeMaps.ruleBytes)})`,
  ]
}

function textOf(one: z.output<typeof relation>): string[] {
  const state = one.isStatic ? `static since ${formatTime(Date.parse(one.since))}` : 'changing'
  const lsn = one.isStatic && one.sinceLsn !== undefined ? ` (${one.sinceLsn})` : ''
  return [
    `  ${one.database} ${one.relation}  ${formatSize(one.bytes)}  ${state}${lsn}`,
    ...one.obstacles.map(({ what, sql }) => `    ${what}${sql === undefined ? '' : `\n      ${sql}`}`),
  ]
}
