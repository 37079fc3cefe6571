import { createReadStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import { z } from 'zod'

import { messageOf } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { declaredRepository } from '../config.ts'
import { errors } from '../errors.ts'
import { importBackup } from '../export/import.ts'
import { openStore } from '../stores.ts'
import type { Unlock } from '../unlock.ts'

export const importOne = defineOperation({
  name: 'repository import',
  summary: 'take an exported backup into an empty place or another repository',
  description: [
    'The stream is first laid into a folder (under the home of wharf, or --staging) and verified to its last byte: seals, references, every block, all of the WAL. Only then does anything appear in the repository, the backup last; a stream that was cut or changed leaves it as it was. An import that was interrupted is simply run again.',
    'Into an empty place (declared, not initialised) the keys of the export go with it: what opened the original opens it, and what wharf.yaml says must. In another repository everything is sealed anew; if its key is another one, say what opens the export.',
    'wharf repository import /mnt/usb/retail.wharf --repository offsite\nssh vault cat retail.wharf | wharf repository import - --repository offsite --passphrase-file /root/main.pass',
  ].join('\n\n'),
  input: z.strictObject({
    from: z.string().describe('file, device or pipe; - for standard input'),
    repository: z.string().optional().describe('where to; may be left out where only one is declared'),
    staging: z.string().optional().describe('folder with room for the whole stream; it is emptied'),
    keyFile: z.string().optional().describe('opens the export, if not what wharf.yaml says of the repository'),
    passphraseFile: z.string().optional().describe('opens the export: file with its passphrase'),
    encryption: z.literal('none').optional().describe('none: the export is not encrypted'),
  }),
  positional: ['from'],
  output: z.strictObject({
    repository: z.string(),
    backup: z.string(),
    warehouse: z.string(),
    fromLsn: z.string(),
    toLsn: z.string(),
    into: z.enum(['new', 'same', 'other']),
    objects: z.number(),
  }),
  role: 'admin',
  danger: 'writes',
  errors: [
    'repository.unknown',
    'repository.bad-export',
    'repository.wrong-key',
    'repository.not-empty',
    'repository.import-conflict',
    'repository.import-expired',
  ],
  needs: 'repository',
  where: 'here',
  only: 'command-line',
  async run(input, context, signal) {
    const { name, descriptor, unlock } = declaredRepository(context, input.repository)
    if (descriptor.kind === 'file') await mkdir(descriptor.path, { recursive: true, mode: 0o700 })
    const done = await importBackup({
      source: sourceOf(input.from),
      staging: join(resolve(input.staging ?? context.home), `wharf-import-${name}`),
      target: await openStore(descriptor, signal),
      unlock,
      exportUnlock: (await unlockOf(input)) ?? unlock,
      clock: context.clock,
      holder: `${context.environment.user}@${context.environment.hostname}, import`,
      report: (event) => context.progress(event),
      signal,
    })
    return { repository: name, ...done }
  },
  text: (done) =>
    `${done.backup} of ${done.warehouse} with its WAL from ${done.fromLsn} to ${done.toLsn} is in "${done.repository}" (${done.objects} objects were written)` +
    (done.into === 'new' ? '\nthe place is now a repository with the keys of the one that was exported' : ''),
})

async function* sourceOf(from: string): AsyncGenerator<Buffer> {
  const stream = from === '-' ? process.stdin : createReadStream(from, { highWaterMark: 1 << 20 })
  try {
    for await (const piece of stream) yield piece as Buffer
  } catch (error) {
    throw errors.exportUnreachable({ path: from, why: messageOf(error) }, { cause: error })
  }
}

async function unlockOf(input: {
  keyFile?: string | undefined
  passphraseFile?: string | undefined
  encryption?: 'none' | undefined
}): Promise<Unlock | undefined> {
  const { keyFile, passphraseFile, encryption } = input
  if ([keyFile, passphraseFile, encryption].filter((one) => one !== undefined).length > 1) throw errors.oneKey({})
  if (keyFile !== undefined) return { by: 'key-file', path: resolve(keyFile) }
  if (encryption !== undefined) return { by: 'none' }
  if (passphraseFile === undefined) return undefined
  const text = await readFile(passphraseFile, 'utf8').catch((error: unknown) => {
    throw errors.exportUnreachable({ path: passphraseFile, why: messageOf(error) }, { cause: error })
  })
  // One line feed at the end belongs to the file, not to the passphrase.
  return { by: 'passphrase', passphrase: text.replace(/\r?\n$/, '') }
}
