// Log-in.
import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState, type FormEvent } from 'react'

import type { SessionView } from '../../server/contract.ts'
import { post } from '../api/client.ts'
import { sessionQuery } from '../api/queries.ts'
import { Mark } from '../app/mark.tsx'
import { Failed } from '../parts/conditions.tsx'
import styles from './login-page.module.css'

export function LoginPage() {
  const [account, setAccount] = useState('admin')
  const [password, setPassword] = useState('')
  const { to } = useSearch({ from: '/login' })
  const client = useQueryClient()
  const navigate = useNavigate()
  useEffect(() => {
    document.title = 'Log in · Wharfinger'
  }, [])
  const logIn = useMutation({
    mutationFn: () => post<SessionView>('/api/session', { account, password }),
    onSuccess: async (session) => {
      client.setQueryData(sessionQuery.queryKey, session)
      await navigate({ href: insideOnly(to) })
    },
    onError: () => setPassword(''),
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    logIn.mutate()
  }
  return (
    <main className={styles.page}>
      <form className={styles.sheet} onSubmit={submit}>
        <div className={styles.brand}>
          <Mark size={30} />
          <h1>Wharfinger</h1>
        </div>
        <TextInput
          label="Account"
          name="account"
          autoComplete="username"
          value={account}
          onChange={(event) => setAccount(event.currentTarget.value)}
          required
          withAsterisk={false}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          required
          withAsterisk={false}
          autoFocus
        />
        {logIn.error && <Failed error={logIn.error} />}
        <Button type="submit" loading={logIn.isPending} fullWidth mt={4}>
          Log in
        </Button>
        <p className={styles.note}>
          “wharf up” showed the first password when it was started for the first time. <code>wharf admin password</code>{' '}
          sets a new one.
        </p>
      </form>
    </main>
  )
}

/** Only addresses of this console: a link may not send people elsewhere after the log-in. */
function insideOnly(to: string | undefined): string {
  return to !== undefined && /^\/(?![/\\])/.test(to) && !to.startsWith('/login') ? to : '/'
}
