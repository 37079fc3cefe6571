import { resolve } from 'node:path'

import type { Document } from 'yaml'
import { z } from 'zod'

import { addEntry, readConfigFile, writeConfigFile } from '../../base/config-edit.ts'
import { defineOperation } from '../../base/operation.ts'
import { warehousesSection } from '../config.ts'
import { parseConnectionUrl } from '../connection.ts'
import { warehouseErrors } from '../errors.ts'

const input = z.strictObject({
  name: z.string().describe('Name of the warehouse: lower case, starts with a letter.'),
  url: z.string().optional().describe('postgresql://user@host:5432/database, without a password.'),
  passwordEnv: z.string().optional().describe('Environment variable that holds the password.'),
  passwordFile: z.string().optional().describe('File whose first line is the password.'),
  repository: z.array(z.string()).prefault([]).describe('Repository that protects it; may be given several times.'),
  managed: z.boolean().prefault(false).describe('Let wharf run this server itself, under its home.'),
  database: z.string().optional().describe('Database of a managed warehouse.'),
})
type Input = z.output<typeof input>

const output = z.strictObject({ name: z.string(), file: z.string() })

export const warehouseAdd = defineOperation({
  name: 'warehouse add',
  summary: 'declare a warehouse in wharf.yaml',
  description: [
    'Nothing is contacted; comments in the file stay. A running `wharf up` takes it up when it is started again.',
    'wharf warehouse add retail postgresql://wharf@dw1:5432/retail --password-env RETAIL_PASSWORD --repository main',
  ].join('\n\n'),
  input,
  positional: ['name', 'url'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: [
    'warehouse.exists',
    'warehouse.password-on-command-line',
    'warehouse.nothing-to-add',
    'warehouse.bad-entry',
    'warehouse.bad-url',
    'config.not-editable',
  ],
  needs: 'nothing',
  where: 'here',
  run: async (input: Input, context) => {
    const entry = entryOf(input)
    assertSound(input.name, entry)
    const document = await readConfigFile(context.configFile)
    if (document.hasIn(['warehouses', input.name]))
      throw warehouseErrors.exists({ name: input.name, file: context.configFile })
    assertDeclared(input, document)
    addEntry(document, ['warehouses', input.name], entry)
    await writeConfigFile(context.configFile, document)
    return { name: input.name, file: context.configFile }
  },
  text: ({ name, file }) => `warehouse "${name}" is declared in ${file}\nnext: wharf warehouse check ${name}`,
})

/** A name that leads nowhere would make the whole file unsound. */
function assertDeclared({ name, repository }: Input, document: Document): void {
  const dangling = repository.find((one) => !document.hasIn(['repositories', one]))
  if (dangling === undefined) return
  const reason = `no repository is called "${dangling}"`
  throw warehouseErrors.badEntry({ name, reason, hint: `wharf repository add ${dangling} FOLDER declares it` })
}

function entryOf(input: Input): Record<string, unknown> {
  const repositories = input.repository.length > 0 ? { repositories: input.repository } : {}
  if (input.managed)
    return { managed: true, ...(input.database === undefined ? {} : { database: input.database }), ...repositories }
  if (input.url === undefined) throw warehouseErrors.nothingToAdd({ name: input.name })
  if (parseConnectionUrl(input.url).password) throw warehouseErrors.passwordOnCommandLine({})
  return {
    url: input.url,
    ...(input.passwordEnv === undefined ? {} : { password: `\${env:${input.passwordEnv}}` }),
    ...(input.passwordFile === undefined ? {} : { password_file: resolve(input.passwordFile) }),
    ...repositories,
  }
}

/** As the configuration would be read: no file is left that is not sound. */
function assertSound(name: string, entry: Readonly<Record<string, unknown>>): void {
  const parsed = warehousesSection.schema.safeParse({ [name]: entry })
  const [issue] = parsed.error?.issues ?? []
  const inner = issue?.code === 'invalid_key' ? issue.issues[0] : issue
  if (inner) throw warehouseErrors.badEntry({ name, reason: inner.message, hint: undefined })
  const [finding] = warehousesSection.check?.(parsed.data ?? {}, {}) ?? []
  if (finding) throw warehouseErrors.badEntry({ name, reason: finding.message, hint: finding.hint })
}
