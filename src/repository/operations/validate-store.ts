import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { systemRandom } from '../../base/random.ts'
import { formatTable } from '../../base/table.ts'
import { declaredRepository } from '../config.ts'
import type { StoreDescriptor } from '../contract.ts'
import { storeFailure } from '../store/failures.ts'
import { openStore } from '../stores.ts'
import { validateStore } from '../validate/validate.ts'

const output = z.object({
  name: z.string(),
  location: z.string(),
  versions: z.boolean().describe('The store keeps older versions.'),
  objectLock: z.boolean().describe('Objects of this repository are locked.'),
  checks: z.array(
    z.object({
      check: z.string(),
      result: z.enum(['passed', 'failed', 'warning', 'skipped']),
      what: z.string(),
    }),
  ),
})

export const validate = defineOperation({
  name: 'repository validate-store',
  summary: 'try whether a store does what a repository needs',
  description:
    'Puts, reads, lists and removes objects of its own under a throw-away prefix beside the repository, which need not exist yet, and removes them again: conditional writes, uploads in parts, ranges, lists, versions, object lock (takes 10 s then), clock. Exits with 10 where a check failed.',
  input: z.object({
    name: z.string().optional().describe('Repository in wharf.yaml; may be left out where only one is declared.'),
  }),
  positional: ['name'],
  output,
  role: 'admin',
  danger: 'writes',
  errors: ['repository.unknown', 'repository.unreachable', 'repository.no-bucket', 'repository.bad-credentials'],
  needs: 'repository',
  where: 'here',
  async run(input, context, signal) {
    const { name, location, descriptor } = declaredRepository(context, input.name)
    await using place = await throwAway(descriptor, location)
    const store = await openStore(place.descriptor, signal)
    const onCheck = (done: number, total: number) => context.progress({ phase: 'checking', done, total, unit: 'count' })
    const checks = await validateStore({ store, clock: context.clock, signal, onCheck })
    return { name, location, ...store.abilities, checks }
  },
  text: ({ name, location, checks }) => {
    const failed = checks.filter((one) => one.result === 'failed').length
    const rows = checks.map((one) => [one.result, one.check, one.what])
    const verdict =
      failed === 0
        ? `${location} is fit for repository "${name}"`
        : `${location} is not fit for repository "${name}": ${failed} checks failed`
    return `${verdict}\n${formatTable(['result', 'check', 'what'], rows)}`
  },
  exit: ({ checks }) => (checks.some((one) => one.result === 'failed') ? 'findings' : 'ok'),
})

/** A place beside the repository's own objects: its name starts with a dot, so nothing in it is an object of the repository. */
async function throwAway(
  descriptor: StoreDescriptor,
  location: string,
): Promise<{ descriptor: StoreDescriptor } & AsyncDisposable> {
  const folder = `.wharf-validate-${systemRandom.bytes(6).toString('hex')}`
  if (descriptor.kind === 's3') {
    const options = { ...descriptor.options, prefix: `${descriptor.options.prefix}${folder}/` }
    return { descriptor: { ...descriptor, options }, [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  if (descriptor.kind !== 'file') throw new TypeError(`not a store of wharf.yaml: ${descriptor.kind}`)
  const path = join(descriptor.path, folder)
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) =>
    Promise.reject(storeFailure(location, 'create a folder', error)),
  )
  return { descriptor: { kind: 'file', path }, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
