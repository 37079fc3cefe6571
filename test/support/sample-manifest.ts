// A manifest with something in every field and no files.
import type { Manifest } from '../../src/repository/contract.ts'

export function emptyManifest(id: string, warehouse: string): Manifest {
  return {
    id,
    warehouse,
    node: warehouse,
    kind: 'full',
    parent: undefined,
    systemIdentifier: 7_300_000_000_000_000_123n,
    timeline: 3,
    history: '1\t0/3000000\tno recovery target specified\n',
    startLsn: 0x1_0000_0028n,
    stopLsn: 0xffff_ffff_ffff_fff8n,
    checkpointLsn: 0x1_0000_0060n,
    startedMs: 1_790_000_000_000,
    finishedMs: 1_790_000_060_000,
    postgresVersion: 180_004,
    catalogVersion: 202_506_291,
    walSegmentBytes: 16 * 1024 * 1024,
    blockBytes: 8192,
    dataChecksums: true,
    backupLabel: 'START WAL LOCATION: 1/28 (file 000000030000000100000000)\n',
    tablespaceMap: '',
    tablespaces: [
      { oid: 16400, name: 'fast', location: '/srv/fast' },
      { oid: 16401, name: 'here', location: undefined },
    ],
    folders: [{ path: 'pg_replslot', mode: 0o700 }],
    files: [],
    relations: [],
    unlogged: [{ path: 'base/5/16999', bytes: 81_920 }],
    corrupt: [],
    settings: { shared_preload_libraries: '' },
    outsideFiles: [{ path: '/etc/postgresql/postgresql.conf', content: 'port = 5433\n' }],
    packs: [],
    statistics: { clusterBytes: 1, readBytes: 2, newBytes: 3, storedBytes: 4, sharedBytes: 5, durationMs: 6 },
    madeBy: 'wharf 0.1.0',
  }
}
