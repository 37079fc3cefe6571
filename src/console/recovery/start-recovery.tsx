// Starts what the plan shows, after a question. It runs on a worker; the page stays and watches.
import { Button, Group, Modal } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import type { RunAccepted } from '../../server/contract.ts'
import { post } from '../api/client.ts'
import { useOnce } from '../api/once.ts'
import { sessionQuery } from '../api/queries.ts'
import { Failed } from '../parts/conditions.tsx'

interface StartProps {
  readonly label: string
  readonly path: string
  readonly body: object
  /** Whether something that is there now is replaced: said in red. */
  readonly destroys?: boolean
  /** What will happen, in the words of the question. */
  readonly children: ReactNode
  readonly onStarted: (run: string) => void
}

export function useIsAdmin(): boolean {
  return useQuery(sessionQuery).data?.role === 'admin'
}

export function OnlyAdmins() {
  return <p className="dim">Only an admin may start it from here. The command can be run by whoever has the key.</p>
}

export function StartRecovery({ label, path, body, destroys = false, children, onStarted }: StartProps) {
  const [opened, { open, close }] = useDisclosure(false)
  const { once, next } = useOnce(body)
  const start = useMutation({
    mutationFn: () => post<RunAccepted>(path, body, { once, confirmed: true }),
    onSuccess: ({ runId }) => {
      next()
      close()
      onStarted(runId)
    },
  })
  if (!useIsAdmin()) return <OnlyAdmins />
  return (
    <>
      <Button
        size="sm"
        {...(destroys ? { color: 'red' } : {})}
        onClick={() => {
          start.reset()
          open()
        }}
      >
        {label}
      </Button>
      <Modal opened={opened} onClose={close} title={`${label}?`} centered>
        {children}
        {start.error && <Failed error={start.error} />}
        <Group justify="flex-end" mt={16}>
          <Button variant="default" size="sm" onClick={close} data-autofocus>
            Not now
          </Button>
          <Button
            size="sm"
            {...(destroys ? { color: 'red' } : {})}
            loading={start.isPending}
            onClick={() => start.mutate()}
          >
            {label}
          </Button>
        </Group>
      </Modal>
    </>
  )
}
