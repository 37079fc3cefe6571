// `wharf admin password`: a new password for an account of the console.
import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { serviceKey } from '../../base/room.ts'
import type { ControlDatabase } from '../../control/contract.ts'
import { Accounts } from '../accounts.ts'

const controlDatabase = serviceKey<ControlDatabase>('control database')

export const adminPassword = defineOperation({
  name: 'admin password',
  summary: 'set a new random password for an account of the console',
  description: 'All sessions of the account end. The password is shown once and kept only as a scrypt hash.',
  input: z.strictObject({ account: z.string().default('admin').describe('Account whose password is set') }),
  positional: ['account'],
  output: z.object({ account: z.string(), password: z.string() }),
  role: 'admin',
  danger: 'writes',
  errors: ['server.unknown-account'],
  needs: 'control',
  where: 'here',
  // Over HTTP whoever stole a session could take the account over for good.
  only: 'command-line',
  run: async ({ account }, context) => {
    const accounts = new Accounts(await context.use(controlDatabase), context)
    return { account, password: await accounts.setPassword(account, context.actor) }
  },
  text: ({ account, password }) => `new password of ${account} (shown this once): ${password}`,
})
