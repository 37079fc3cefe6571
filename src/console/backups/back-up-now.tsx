// Starts a backup.
import { Button, Menu } from '@mantine/core'

import { useMayOperate, useStart } from '../api/actions.ts'
import { Failed } from '../parts/conditions.tsx'

const kinds = [
  { kind: 'incremental', label: 'Incremental', note: 'reads what changed' },
  { kind: 'full', label: 'Full', note: 'reads everything' },
] as const

export function BackUpNow({ warehouses }: { readonly warehouses: readonly string[] }) {
  const start = useStart('/api/backup/run')
  if (!useMayOperate()) return null
  return (
    <>
      {start.error && <Failed error={start.error} />}
      <Menu position="bottom-end" shadow="sm">
        <Menu.Target>
          <Button size="xs" loading={start.isPending}>
            Back up now
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {warehouses.map((warehouse) => (
            <div key={warehouse}>
              <Menu.Label>{warehouse}</Menu.Label>
              {kinds.map(({ kind, label, note }) => (
                <Menu.Item
                  key={kind}
                  onClick={() => start.mutate({ warehouse, kind })}
                  rightSection={<span className="faint">{note}</span>}
                >
                  {label}
                </Menu.Item>
              ))}
            </div>
          ))}
        </Menu.Dropdown>
      </Menu>
    </>
  )
}
