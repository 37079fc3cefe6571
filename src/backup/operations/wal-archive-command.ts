import { chown, readFile, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { writeFileDurably } from '../../base/durable.ts'
import { messageOf } from '../../base/errors.ts'
import { shellQuoted } from '../../base/shell.ts'
import { defineOperation } from '../../base/operation.ts'
import type { Context } from '../../base/room.ts'
import { parseControlFile } from '../../wal/control-file.ts'
import { warehouses, type ServerFacts } from '../../warehouse/contract.ts'
import { backupErrors } from '../errors.ts'
import { encodePushOptions, pushOptionsName } from '../push/options.ts'
import { openAll } from '../receiver/standing.ts'

const program = fileURLToPath(new URL('../../../bin/wharf', import.meta.url))

export const walArchiveCommand = defineOperation({
  name: 'wal archive-command',
  summary: 'set a server up to archive its WAL, and print its archive_command',
  description: [
    'Writes the options of `wharf wal push` (mode 0600, they hold the data keys) into the data directory of the warehouse, for the user of the server, and prints the line for postgresql.conf.',
    'To be run on the host of the server. After a rotation of the repository key, or with another list of repositories, run it again.',
  ].join('\n\n'),
  input: z.strictObject({
    warehouse: declaredName().describe('the warehouse'),
    file: z
      .string()
      .min(1)
      .optional()
      .describe(`where the options go; default: ${pushOptionsName} in the data directory`),
  }),
  positional: ['warehouse'],
  output: z.strictObject({ file: z.string(), archiveCommand: z.string() }),
  role: 'admin',
  danger: 'writes',
  errors: [
    'warehouse.unknown',
    'backup.no-repository',
    'backup.not-beside-server',
    'repository.unknown',
    'repository.wrong-key',
  ],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    const warehouse = (await context.use(warehouses)).get(input.warehouse)
    const facts = await warehouse.facts(signal)
    const { opened, away } = await openAll(context, warehouse, signal)
    // One that cannot be opened now would get no WAL ever.
    if (away[0]) throw away[0].error
    if (opened.length === 0) throw backupErrors.noRepository({ warehouse: input.warehouse })
    await requireBeside(input.warehouse, facts)
    const file = input.file === undefined ? join(facts.dataDirectory, pushOptionsName) : resolve(input.file)
    const text = encodePushOptions({
      version: 1,
      warehouse: input.warehouse,
      systemIdentifier: String(facts.systemIdentifier),
      repositories: opened.map(({ name, readerSeed }) => ({
        name,
        required: !warehouse.declaration.optionalRepositories.includes(name),
        seed: readerSeed,
      })),
    })
    await writeFor(facts.dataDirectory, { file, text, context })
    const option = input.file === undefined ? '' : ` --options ${quote(file)}`
    return { file, archiveCommand: `${quote(process.execPath)} ${quote(program)} wal push${option} "%p"` }
  },
  text: ({ file, archiveCommand }) =>
    [
      `${file} is written`,
      '',
      'in postgresql.conf of the server:',
      '',
      'archive_mode = on',
      `archive_command = '${archiveCommand.replaceAll("'", "''")}'`,
    ].join('\n'),
})

/** Options in another server's directory would let it archive for this one. */
async function requireBeside(warehouse: string, facts: ServerFacts): Promise<void> {
  let why: string
  try {
    const control = parseControlFile(await readFile(join(facts.dataDirectory, 'global/pg_control')))
    if (control.systemIdentifier === facts.systemIdentifier) return
    why = `it is the cluster ${control.systemIdentifier}`
  } catch (error) {
    why = messageOf(error)
  }
  throw backupErrors.notBesideServer({ warehouse, directory: facts.dataDirectory, why })
}

/** Readable by the server's user alone. */
async function writeFor(dataDirectory: string, of: { file: string; text: string; context: Context }): Promise<void> {
  const owner = await stat(dataDirectory)
  await writeFileDurably(of.file, '', 0o600)
  if (of.context.environment.isRoot) await chown(of.file, owner.uid, owner.gid)
  await writeFile(of.file, of.text)
}

/** For a shell, and for PostgreSQL, to which `%` means something. */
function quote(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : shellQuoted(text).replaceAll('%', '%%')
}
