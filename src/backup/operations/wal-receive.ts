import { z } from 'zod'

import { declaredName } from '../../base/config-types.ts'
import { defineOperation } from '../../base/operation.ts'
import { receiveUntil } from '../receive.ts'

export const walReceive = defineOperation({
  name: 'wal receive',
  summary: 'receive the WAL of a warehouse in the foreground',
  description: [
    'Streams WAL through a replication slot into every repository of the warehouse until Ctrl-C; `wharf up` does the same in the background.',
    'The slot lets only one receiver in at a time: a second one waits until the first has gone.',
  ].join('\n\n'),
  input: z.strictObject({ warehouse: declaredName().describe('the warehouse') }),
  positional: ['warehouse'],
  output: z.strictObject({ stopped: z.literal(true) }),
  role: 'operator',
  danger: 'writes',
  errors: [
    'warehouse.unknown',
    'backup.not-receiving',
    'repository.unknown',
    'repository.not-initialised',
    'repository.wrong-key',
  ],
  needs: 'repository',
  where: 'here',
  run: async (input, context, signal) => {
    await receiveUntil(context, input.warehouse, signal)
    return { stopped: true as const }
  },
  text: () => 'stopped',
})
