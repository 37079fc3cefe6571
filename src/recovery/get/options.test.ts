import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseGetArguments } from './arguments.ts'
import { packLeftOut, relationsOf } from './left-out.ts'
import { decodeOptions, encodeOptions, type WalGetOptions } from './options.ts'

test('options come back as they were written, keys as bytes', () => {
  const options: WalGetOptions = {
    version: 1,
    seed: {
      store: { kind: 'file', path: '/backups' },
      ring: { repositoryId: 'ab', sealing: 'aes-256-gcm', dataKeys: [{ number: 1, key: new Uint8Array([1, 2, 255]) }] },
    },
    systemIdentifier: '7123',
    postgresVersion: 180_004,
    walSegmentBytes: 1 << 24,
    rewrite: true,
    switches: [{ timeline: 2, at: '16777216' }],
    known: [{ timeline: 1, from: '16777216', to: '99999999999999' }],
    until: '33554432',
  }
  assert.deepEqual(decodeOptions(encodeOptions(options)), options)
  const buffered = { ...options, seed: { ...options.seed, key: Buffer.from([9, 8]) } }
  assert.deepEqual(decodeOptions(encodeOptions(buffered)).seed['key'], new Uint8Array([9, 8]))
  assert.throws(() => decodeOptions('{"version":2}'), { message: 'it is of another version' })
})

test('what is left out comes back as it was, in any tablespace; of a database that is left out everything', () => {
  const packed = packLeftOut(['1663/5/16400', '1663/5/4294967295', '16500/5/16401', '1663/6/1259'], [6])
  const options = decodeOptions(encodeOptions({ version: 1, known: [], leftOut: packed } as never))
  const relations = relationsOf(options.leftOut!)
  const has = (tablespace: number, database: number, one: number): boolean => relations.has(tablespace, database, one)
  assert.deepEqual(
    [has(1663, 5, 16_400), has(1663, 5, 4_294_967_295), has(16_500, 5, 16_401), has(1663, 6, 1), has(9, 6, 16_400)],
    [true, true, true, true, true],
  )
  assert.deepEqual(
    [has(1663, 5, 16_401), has(16_500, 5, 16_400), has(1664, 0, 16_400), has(1663, 7, 16_400)],
    [false, false, false, false],
  )
})

test('arguments are read strictly', () => {
  const segment = '000000010000000000000003'
  assert.deepEqual(parseGetArguments(['--options', '/o', '--missing-exit', '44', segment, 'x']), {
    kind: 'get',
    segment,
    destination: 'x',
    missingExit: 44,
    from: { kind: 'options', file: '/o' },
  })
  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /SEGMENT and DEST are needed/],
    [[segment, 'x'], /--options or one of --repository-path and --repository-s3 is needed/],
    [['--repository-path', '/r', segment, 'x'], /--key-file, --passphrase-file or --no-encryption is needed/],
    [['--wat', segment, 'x'], /--wat is not understood/],
    [['--options', '/o', 'pg_control', 'x'], /"pg_control" is no name of a WAL file/],
    [['--options', '/o', segment, 'x', 'y'], /SEGMENT and DEST are needed/],
  ]
  for (const [args, message] of bad)
    assert.throws(() => parseGetArguments(args), { code: 'recovery.bad-get-usage', message })
})
