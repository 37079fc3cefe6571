// The frame around every page: name, places to go, whether we are live, who is logged in.
import { ActionIcon, Menu, useMantineColorScheme, type MantineColorScheme } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, Outlet, useNavigate } from '@tanstack/react-router'

import { remove } from '../api/client.ts'
import { useLive, type Connection } from '../api/live.ts'
import { sessionQuery, statusQuery } from '../api/queries.ts'
import { Mark } from './mark.tsx'
import styles from './shell.module.css'

const places = [
  { to: '/', name: 'Overview', icon: 'M3 11a7 7 0 0 1 14 0M10 11l3.4-3.4M3 15h14' },
  { to: '/loads', name: 'Loads', icon: 'M10 3v9m0 0l-4-4m4 4l4-4M3.5 16.5h13' },
  { to: '/backups', name: 'Backups', icon: 'M3 6.5h14M4.5 6.5v9h11v-9M5 3.5h10v3H5zM8 10h4' },
  { to: '/recovery', name: 'Recovery', icon: 'M4 4v4h4M4.3 8A6.5 6.5 0 1 1 3.5 11.5' },
  { to: '/warehouses', name: 'Warehouses', icon: 'M2.5 8L10 3.5 17.5 8v8.5h-15zM6.5 16.5v-5h7v5' },
] as const

export function Shell() {
  const connection = useLive()
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        To the content
      </a>
      <header className={styles.bar}>
        <Link to="/" className={styles.name} aria-label="Wharfinger, overview">
          <Mark />
          <span>Wharfinger</span>
        </Link>
        <nav className={styles.places} aria-label="Pages">
          {places.map((place) => (
            <Link
              key={place.to}
              to={place.to}
              className={styles.place}
              activeProps={{ 'aria-current': 'page' }}
              activeOptions={{ exact: place.to === '/' }}
            >
              <svg viewBox="0 0 20 20" aria-hidden="true">
                <path
                  d={place.icon}
                  fill="none"
                  stroke="currentColor"
                  strokeWidth="1.6"
                  strokeLinecap="round"
                  strokeLinejoin="round"
                />
              </svg>
              <span>{place.name}</span>
            </Link>
          ))}
        </nav>
        <div className={styles.end}>
          <LiveMark connection={connection} />
          <AccountMenu />
        </div>
      </header>
      <main id="content" className={styles.content} tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  )
}

const connectionWords: Readonly<Record<Connection, string>> = {
  live: 'Live',
  connecting: 'Connecting',
  lost: 'Not live: reconnecting',
}

function LiveMark({ connection }: { readonly connection: Connection }) {
  const { data } = useQuery(statusQuery)
  return (
    <span
      className={styles.live}
      data-state={connection}
      role="status"
      title={data ? `Status of ${data.at}` : connectionWords[connection]}
    >
      <i aria-hidden="true" />
      <span>{connectionWords[connection]}</span>
    </span>
  )
}

const schemes: readonly { readonly value: MantineColorScheme; readonly label: string }[] = [
  { value: 'auto', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
]

function AccountMenu() {
  const { data: session } = useQuery(sessionQuery)
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const client = useQueryClient()
  const navigate = useNavigate()
  const logOut = async () => {
    await remove('/api/session').catch(() => {})
    client.clear()
    await navigate({ to: '/login' })
  }
  return (
    <Menu position="bottom-end" width={190} shadow="sm">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={34} aria-label="Account and appearance">
          <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
            <path
              d="M10 10.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM3.8 16.6c.8-2.6 3.2-4 6.2-4s5.4 1.4 6.2 4"
              fill="none"
              stroke="currentColor"
              strokeWidth="1.6"
              strokeLinecap="round"
            />
          </svg>
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Appearance</Menu.Label>
        {schemes.map((one) => (
          <Menu.Item
            key={one.value}
            onClick={() => setColorScheme(one.value)}
            aria-current={colorScheme === one.value}
            rightSection={colorScheme === one.value ? '✓' : undefined}
          >
            {one.label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{session ? `${session.account}, ${session.role}` : ''}</Menu.Label>
        <Menu.Item onClick={() => void logOut()}>Log out</Menu.Item>
        <Menu.Label>Wharfinger {session?.version}</Menu.Label>
      </Menu.Dropdown>
    </Menu>
  )
}
