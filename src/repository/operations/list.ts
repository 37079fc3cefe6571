import { z } from 'zod'

import { codeOf, isWharfError, messageOf } from '../../base/errors.ts'
import { defineOperation } from '../../base/operation.ts'
import { formatTable } from '../../base/table.ts'
import { declaredRepositories } from '../config.ts'
import { repositories } from '../contract.ts'

export const list = defineOperation({
  name: 'repository list',
  summary: 'declared repositories and whether they open',
  input: z.object({}),
  output: z.object({
    repositories: z.array(
      z.object({
        name: z.string(),
        location: z.string(),
        encrypted: z.boolean(),
        state: z.enum(['ready', 'not initialised', 'failing']),
        error: z.object({ code: z.string(), message: z.string() }).optional(),
      }),
    ),
  }),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'repository',
  where: 'here',
  async run(_, context, signal) {
    const service = await context.use(repositories)
    const rows = []
    for (const { name, location, encrypted } of declaredRepositories(context)) {
      const row = { name, location, encrypted }
      try {
        await service.open(name, signal)
        rows.push({ ...row, state: 'ready' as const })
      } catch (error) {
        signal.throwIfAborted()
        if (!isWharfError(error)) throw error
        const missing = error.code === 'repository.not-initialised' || isMissingFolder(error)
        rows.push({
          ...row,
          state: missing ? ('not initialised' as const) : ('failing' as const),
          ...(missing ? {} : { error: { code: error.code, message: messageOf(error) } }),
        })
      }
    }
    return { repositories: rows }
  },
  text: ({ repositories }) =>
    repositories.length === 0
      ? 'no repositories are declared'
      : formatTable(
          ['name', 'location', 'encrypted', 'state'],
          repositories.map((one) => [
            one.name,
            one.location,
            one.encrypted ? 'yes' : 'no',
            one.error ? `${one.state}: ${one.error.message}` : one.state,
          ]),
        ),
})

function isMissingFolder(error: Error): boolean {
  return isWharfError(error, 'repository.unreachable') && codeOf(error.cause) === 'ENOENT'
}
