import { join, resolve } from 'node:path'

import { z } from 'zod'

import { addEntry, readConfigFile, writeConfigFile } from '../../base/config-edit.ts'
import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { parseBucketUrl } from '../bucket-config.ts'
import { errors } from '../errors.ts'

const input = z.strictObject({
  name: declaredName().describe('name of the repository'),
  folder: z
    .string()
    .min(1)
    .describe('where it will be: a folder of its own, on another disk than the warehouse, or s3://BUCKET/PREFIX'),
  s3Endpoint: z.string().optional().describe("URL of the server of the bucket, where it is not Amazon's"),
  s3Region: z.string().optional().describe('region of the bucket'),
  s3PathStyle: z.boolean().optional().describe('the bucket stands in the path of the URL, not in the host name'),
  keyFile: z.string().optional().describe('file of its key; default: <home>/keys/NAME.key'),
  passphraseFile: z.string().optional().describe('file whose content is the passphrase that opens it'),
  encryption: z.boolean().default(true).describe('no: whoever reads the folder reads the data'),
})
type Input = z.output<typeof input>

export const add = defineOperation({
  name: 'repository add',
  summary: 'declare a repository in wharf.yaml',
  description: [
    'Nothing is made yet; comments in the file stay. Encrypted with a key file unless said otherwise.',
    'wharf repository add main /backups/wharf\nwharf repository add main /backups/wharf --passphrase-file /etc/wharf/passphrase\nwharf repository add off-site s3://backups/dw --s3-region eu-central-1',
  ].join('\n\n'),
  input,
  positional: ['name', 'folder'],
  output: z.strictObject({ name: z.string(), file: z.string(), keyFile: z.string().optional() }),
  role: 'admin',
  danger: 'writes',
  errors: ['repository.declared', 'repository.one-key', 'repository.bad-bucket-url', 'config.not-editable'],
  needs: 'nothing',
  where: 'here',
  run: async (input, context) => {
    const file = context.configFile
    const { encryption, keyFile } = encryptionOf(input, join(context.home, 'keys', `${input.name}.key`))
    const document = await readConfigFile(file)
    if (document.hasIn(['repositories', input.name])) throw errors.declared({ name: input.name, file })
    addEntry(document, ['repositories', input.name], { ...placeOf(input), encryption })
    await writeConfigFile(file, document)
    return { name: input.name, file, keyFile }
  },
  text: ({ name, file }) => `repository "${name}" is declared in ${file}\nnext: wharf repository init ${name}`,
})

/** Credentials of a bucket are not written: the environment has them, or the file gets them by hand as references. */
function placeOf(input: Input): object {
  if (!input.folder.startsWith('s3://')) return { path: resolve(input.folder) }
  const { bucket, prefix } = parseBucketUrl(input.folder)
  return {
    s3: {
      bucket,
      ...(prefix === undefined ? {} : { prefix }),
      ...(input.s3Endpoint === undefined ? {} : { endpoint: input.s3Endpoint }),
      ...(input.s3Region === undefined ? {} : { region: input.s3Region }),
      ...(input.s3PathStyle === true ? { path_style: true } : {}),
    },
  }
}

function encryptionOf(input: Input, usualKeyFile: string): { encryption: unknown; keyFile: string | undefined } {
  const given = [input.keyFile, input.passphraseFile, input.encryption ? undefined : 'none']
  if (given.filter((one) => one !== undefined).length > 1) throw errors.oneKey({})
  if (!input.encryption) return { encryption: 'none', keyFile: undefined }
  if (input.passphraseFile !== undefined) {
    return { encryption: { passphrase: `\${file:${resolve(input.passphraseFile)}}` }, keyFile: undefined }
  }
  // What is typed counts from the folder one stands in, as everywhere on a command line; the file is read from its own.
  const keyFile = input.keyFile === undefined ? usualKeyFile : resolve(input.keyFile)
  return { encryption: { key_file: keyFile }, keyFile }
}
