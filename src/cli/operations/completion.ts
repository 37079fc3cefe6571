import { z } from 'zod'

import { defineOperation } from '../../base/operation.ts'
import { completionScript, shells } from '../completion.ts'

export const completion = defineOperation({
  name: 'completion',
  summary: 'print the completion script for a shell',
  description: [
    'bash:  eval "$(wharf completion bash)"  in ~/.bashrc',
    'zsh:   wharf completion zsh > "${fpath[1]}/_wharf"',
    'fish:  wharf completion fish > ~/.config/fish/completions/wharf.fish',
  ].join('\n'),
  input: z.strictObject({ shell: z.enum(shells).describe('bash, zsh or fish') }),
  positional: ['shell'],
  output: z.strictObject({ shell: z.enum(shells), script: z.string() }),
  role: 'viewer',
  danger: 'none',
  errors: [],
  needs: 'nothing',
  where: 'here',
  only: 'command-line',
  run: ({ shell }, context) => Promise.resolve({ shell, script: completionScript(shell, context.rooms) }),
  text: ({ script }) => script,
})
