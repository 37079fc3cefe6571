// What to do after a recovery, for people.
import { join } from 'node:path'

import { shellQuoted } from '../base/shell.ts'
import type { PreparedRecovery } from './plan/prepare.ts'
import { byHand, endScriptName } from './restore/end-script.ts'
import type { Delivery } from './restore/wal-delivery.ts'
import type { StartProof } from './server/start.ts'

function scratchLines({ scratch }: StartProof): readonly string[] {
  if (scratch === undefined) return []
  return [
    ...(scratch.relations.length > 0 ? [`scratch relations are empty: ${scratch.relations.join(', ')}`] : []),
    ...scratch.doubtful.map(
      (one) =>
        `${one} is in a database that was copied after the backup: nobody can tell whether it holds rubbish; look at it`,
    ),
  ]
}

export function nextSteps(
  prepared: PreparedRecovery,
  request: { readonly binaries?: string | undefined },
  found: { readonly proof: StartProof | undefined; readonly delivery: Delivery },
): readonly string[] {
  const { root } = prepared.layout
  const { leftovers } = found.delivery
  if (found.proof) {
    const { server } = found.proof
    return [
      ...scratchLines(found.proof),
      `the server runs: psql -h ${server.socketDirectory} -p ${server.port} (or -h 127.0.0.1), superuser ${server.user}`,
    ]
  }
  const bin = request.binaries ?? `/usr/lib/postgresql/${Math.floor(prepared.manifest.postgresVersion / 10_000)}/bin`
  const as = prepared.owner ? `sudo -u ${prepared.owner.name} ` : ''
  return [
    `nothing is proven yet: start the server with  ${as}${bin}/pg_ctl -D ${root} -l ${root}/startup.log -t 86400 start`,
    `keep its WAL until then: expiry of the repository is held off while this command runs, not while the server replays`,
    `it replays to the target and then opens; its log says "recovery stopping" and "archive recovery complete". The same in one step, verified: add --start`,
    `once it is open, what only replay needs has gone by itself: keys of the repository's data and the recovery settings in postgresql.auto.conf. If ${join(root, endScriptName)} is still there then (its log may say why: "recovery_end_command"), it has not:  ${as}sh -c ${shellQuoted(byHand(root, leftovers))}`,
  ]
}
