// The server that follows: started behind closed doors or readable on loopback, and asked how far it is.
import { chmod } from 'node:fs/promises'

import { serverRuns } from '../../warehouse/servers.ts'
import { formatTime } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Manifest } from '../../repository/contract.ts'
import { parseLsn, type Lsn } from '../../wal/lsn.ts'
import { followErrors as errors } from './errors.ts'
import type { Owner } from '../restore/owner.ts'
import { findUser, type PrivateServer, connectToAny } from '../server/connect.ts'
import { lastComplaint } from '../server/replay.ts'
import { stubSettings } from '../server/scratch.ts'
import { closedDoors, logFileOf, run, type RunParts } from '../server/start.ts'
import { superuserCandidates } from '../server/superusers.ts'

export interface StandbyParts extends RunParts {
  readonly owner: Owner | undefined
  readonly manifest: Pick<Manifest, 'scratch'>
  /** Whether clients may read on loopback meanwhile, under the copy's own pg_hba.conf. */
  readonly readable: boolean
}

export interface Standby {
  readonly server: PrivateServer
  /** Rejects with `recovery.standby-died` where it has ended. */
  state(): Promise<StandbyState>
}

export interface StandbyState {
  readonly replayed: Lsn
  /** Of the last transaction that was replayed; undefined before the first. */
  readonly lastAt: string | undefined
  /** Why it did not answer now, although it runs: the rest is what it said last. */
  readonly silent?: string | undefined
}

/** Resolves when it is consistent and can be asked: WAL must be coming meanwhile. */
export async function startStandby(parts: StandbyParts): Promise<Standby> {
  const { dataDirectory, owner, manifest, readable } = parts
  const closed = await closedDoors(dataDirectory, owner)
  const { listen_addresses: _none, hba_file: _ours, unix_socket_permissions: _mode, ...open } = closed
  const started = await run(parts, {
    ...(readable ? { ...open, listen_addresses: '127.0.0.1', unix_socket_permissions: '0700' } : closed),
    ...(manifest.scratch.length > 0 ? stubSettings : {}),
  })
  await chmod(started.socketDirectory, 0o700)
  const user = await findUser(started, await superuserCandidates(dataDirectory))
  const server = { socketDirectory: started.socketDirectory, port: started.port, user }
  let last: StandbyState = { replayed: 0n, lastAt: undefined }
  return { server, state: async () => (last = await stateOf(server, { dataDirectory, last })) }
}

async function stateOf(
  server: PrivateServer,
  { dataDirectory, last }: { dataDirectory: string; last: StandbyState },
): Promise<StandbyState> {
  try {
    await using session = await connectToAny(server)
    const { rows } = await session.query<{ lsn: string | null; at: Date | null }>(
      `SELECT pg_catalog.pg_last_wal_replay_lsn()::text AS lsn, pg_catalog.pg_last_xact_replay_timestamp() AS at`,
    )
    const { lsn, at } = rows[0]!
    return { replayed: parseLsn(lsn ?? '0/0'), lastAt: at === null ? undefined : formatTime(at.getTime()) }
  } catch (error) {
    // Too many readers, say: it replays all the same.
    if (await serverRuns(dataDirectory).catch(() => false)) return { ...last, silent: messageOf(error) }
    const log = logFileOf(dataDirectory)
    throw errors.standbyDied({ why: await lastComplaint(log), log }, { cause: error })
  }
}
