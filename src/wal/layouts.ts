// Facts of PostgreSQL's WAL format, as tables: page magics, resource managers, record kinds, field offsets.

export const WAL_PAGE_BYTES = 8192
export const SHORT_HEADER_BYTES = 24
export const LONG_HEADER_BYTES = 40
export const RECORD_HEADER_BYTES = 24

/** xlp_magic per major version. */
export const pageMagics: Readonly<Record<number, number>> = { 15: 0xd110, 16: 0xd113, 17: 0xd116, 18: 0xd118 }

/** Bits of xlp_info. */
export const pageFlags = { continuation: 1, longHeader: 2, removable: 4, overwritesContinuation: 8 } as const
export const KNOWN_PAGE_FLAGS = 15

/** Resource managers by id; the same in 15 to 18. Ids from 128 on are extensions' own. */
export const resourceManagers = [
  'XLOG',
  'Transaction',
  'Storage',
  'CLOG',
  'Database',
  'Tablespace',
  'MultiXact',
  'RelMap',
  'Standby',
  'Heap2',
  'Heap',
  'Btree',
  'Hash',
  'Gin',
  'Gist',
  'Sequence',
  'SPGist',
  'BRIN',
  'CommitTs',
  'ReplicationOrigin',
  'Generic',
  'LogicalMessage',
] as const
export const rmgr = {
  xlog: 0,
  xact: 1,
  smgr: 2,
  dbase: 4,
  tblspc: 5,
  relMap: 7,
  standby: 8,
  logicalMessage: 21,
} as const

/** Heap2, Heap, Btree, Hash, Gin, Gist, Sequence, SPGist, BRIN: their records change pages that they name, and maps of the same relation. */
export const pageRmgrs = [9, 10, 11, 12, 13, 14, 15, 16, 17] as const

/** XLOG records: xl_info & 0xf0. */
export const xlogInfo = {
  checkpointShutdown: 0x00,
  checkpointOnline: 0x10,
  noop: 0x20,
  nextOid: 0x30,
  switch: 0x40,
  backupEnd: 0x50,
  parameterChange: 0x60,
  restorePoint: 0x70,
  fullPageWritesChange: 0x80,
  endOfRecovery: 0x90,
  imageForHint: 0xa0,
  image: 0xb0,
  overwriteContinuation: 0xd0,
  checkpointRedo: 0xe0,
} as const

/** Transaction records: xl_info & 0x70; 0x80 says that xinfo follows the time. */
export const xactInfo = {
  commit: 0x00,
  prepare: 0x10,
  abort: 0x20,
  commitPrepared: 0x30,
  abortPrepared: 0x40,
  assignment: 0x50,
  invalidations: 0x60,
  mask: 0x70,
  hasXinfo: 0x80,
} as const
/** Bits of xl_xact_xinfo, in the order in which their parts follow each other. */
export const xinfo = {
  database: 1 << 0,
  subtransactions: 1 << 1,
  relations: 1 << 2,
  droppedStatistics: 1 << 8,
  invalidations: 1 << 3,
  twoPhase: 1 << 4,
  gid: 1 << 7,
  origin: 1 << 5,
} as const
/** sizeof(xl_xact_stats_item): its object id became 64 bits wide in 18. */
export const droppedStatisticBytes: Readonly<Record<number, number>> = { 15: 12, 16: 12, 17: 12, 18: 16 }
export const INVALIDATION_BYTES = 16

/** xl_xact_prepare. */
export const prepareOffsets = { xid: 8, preparedAt: 16 } as const

export const smgrInfo = { create: 0x10, truncate: 0x20 } as const
/** xl_smgr_truncate.flags. */
export const truncateFlags = { heap: 1, vm: 2, fsm: 4 } as const
export const dbaseInfo = { createFileCopy: 0x00, createWalLog: 0x10, drop: 0x20 } as const

/** Ids of the parts of a record's header. Up to maxBlock they are block references. */
export const partId = { maxBlock: 32, topXid: 252, origin: 253, dataLong: 254, dataShort: 255 } as const
export const blockFlags = { forkMask: 0x0f, hasImage: 0x10, hasData: 0x20, willInit: 0x40, sameRelation: 0x80 } as const
export const imageFlags = { hasHole: 0x01, apply: 0x02, pglz: 0x04, lz4: 0x08, zstd: 0x10, compressed: 0x1c } as const

/** Microseconds from 1970 to 2000, PostgreSQL's own epoch. */
export const POSTGRES_EPOCH_US = 946_684_800_000_000n
/** Standby records: what runs when the record is written. */
export const standbyInfo = { runningXacts: 0x10 } as const
