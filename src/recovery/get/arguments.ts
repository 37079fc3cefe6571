// The command line of `wharf wal get`, read by hand: the entry must start fast.
import { readFileSync } from 'node:fs'

import type { BucketFlags } from '../../repository/bucket-config.ts'
import { getErrors as errors } from './errors.ts'

export interface GetFile {
  readonly kind: 'get'
  readonly segment: string
  readonly destination: string
  /** Exit code for "not in the repository": 1 as PostgreSQL wants it, or another for a shell that tells our 1 from Node's own. */
  readonly missingExit: number
  readonly from:
    | { readonly kind: 'options'; readonly file: string }
    | {
        readonly kind: 'flags'
        readonly place: { readonly path: string } | { readonly bucket: BucketFlags }
        readonly unlock:
          | { readonly by: 'none' }
          | { readonly by: 'key-file'; readonly path: string }
          | { readonly by: 'passphrase'; readonly passphrase: string }
        /** Undefined: that of global/pg_control in the working folder, where PostgreSQL calls us. */
        readonly systemIdentifier: bigint | undefined
        readonly rewrite: boolean
      }
}

/** Asks whether this user can list a repository's folders; for recovery, which may run as another one. */
export interface Probe {
  readonly kind: 'probe'
  readonly path: string
}

/** Fetches segments beforehand, in the data directory that it is started in, until the recovery there is over. */
export interface GetAhead {
  readonly kind: 'ahead'
  readonly file: string
  readonly segment: string
}

export const getUsage =
  'wharf wal get (--options FILE | (--repository-path DIR | --repository-s3 URL [--s3-endpoint URL] [--s3-region NAME] [--s3-path-style] [--s3-profile NAME]) (--key-file FILE | --passphrase-file FILE | --no-encryption) [--system-identifier N] [--rewrite]) SEGMENT DEST'

const valued = [
  '--options',
  '--repository-path',
  '--repository-s3',
  '--s3-endpoint',
  '--s3-region',
  '--s3-profile',
  '--key-file',
  '--passphrase-file',
  '--system-identifier',
  '--missing-exit',
  '--probe',
  '--ahead',
]
const switches = ['--no-encryption', '--rewrite', '--s3-path-style']

export function parseGetArguments(args: readonly string[]): GetFile | GetAhead | Probe {
  const flags = new Map<string, string>()
  const words: string[] = []
  for (let at = 0; at < args.length; at++) {
    const one = args[at]!
    if (switches.includes(one)) flags.set(one, '')
    else if (valued.includes(one) && args[at + 1] !== undefined) flags.set(one, args[++at]!)
    else if (one.startsWith('--')) throw errors.badGetUsage({ why: `${one} is not understood`, usage: getUsage })
    else words.push(one)
  }
  const probe = flags.get('--probe')
  if (probe !== undefined) return { kind: 'probe', path: probe }
  const [ahead, file] = [flags.get('--ahead'), flags.get('--options')]
  if (ahead !== undefined && file !== undefined) return { kind: 'ahead', file, segment: ahead }
  const [segment, destination, ...more] = words
  if (segment === undefined || destination === undefined || more.length > 0)
    throw errors.badGetUsage({ why: 'SEGMENT and DEST are needed', usage: getUsage })
  if (!/^[0-9A-F]{8}(\.history|[0-9A-F]{16}(\.partial|\.[0-9A-F]{8}\.backup)?)$/.test(segment))
    throw errors.badGetUsage({ why: `"${segment}" is no name of a WAL file`, usage: getUsage })
  return {
    kind: 'get',
    segment,
    destination,
    missingExit: Number(flags.get('--missing-exit') ?? '1'),
    from: sourceOf(flags),
  }
}

function sourceOf(flags: ReadonlyMap<string, string>): GetFile['from'] {
  const file = flags.get('--options')
  if (file !== undefined) return { kind: 'options', file }
  const place = placeOf(flags)
  const identifier = flags.get('--system-identifier')
  return {
    kind: 'flags',
    place,
    unlock: unlockOf(flags),
    systemIdentifier: identifier === undefined ? undefined : BigInt(identifier),
    rewrite: flags.has('--rewrite'),
  }
}

function placeOf(flags: ReadonlyMap<string, string>): Extract<GetFile['from'], { kind: 'flags' }>['place'] {
  const path = flags.get('--repository-path')
  const url = flags.get('--repository-s3')
  if (path !== undefined && url === undefined) return { path }
  if (url === undefined || path !== undefined)
    throw errors.badGetUsage({
      why: '--options or one of --repository-path and --repository-s3 is needed',
      usage: getUsage,
    })
  return {
    bucket: {
      url,
      endpoint: flags.get('--s3-endpoint'),
      region: flags.get('--s3-region'),
      profile: flags.get('--s3-profile'),
      pathStyle: flags.has('--s3-path-style'),
    },
  }
}

function unlockOf(flags: ReadonlyMap<string, string>): Extract<GetFile['from'], { kind: 'flags' }>['unlock'] {
  const keyFile = flags.get('--key-file')
  const passphraseFile = flags.get('--passphrase-file')
  if (keyFile !== undefined) return { by: 'key-file', path: keyFile }
  // One line feed at the end belongs to the file, not to the passphrase.
  if (passphraseFile !== undefined)
    return { by: 'passphrase', passphrase: readFileSync(passphraseFile, 'utf8').replace(/\r?\n$/, '') }
  if (flags.has('--no-encryption')) return { by: 'none' }
  throw errors.badGetUsage({ why: '--key-file, --passphrase-file or --no-encryption is needed', usage: getUsage })
}
