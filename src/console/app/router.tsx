// All pages of the console, in code. Pages are loaded when they are first opened.
import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'

import { ApiFailure } from '../api/client.ts'
import { sessionQuery } from '../api/queries.ts'
import { LoginPage } from '../login/login-page.tsx'
import { OverviewPage } from '../overview/overview-page.tsx'
import { Failed } from '../parts/conditions.tsx'
import { NotFoundPage } from './not-found.tsx'
import { Shell } from './shell.tsx'

interface RouterContext {
  readonly client: QueryClient
}

const root = createRootRouteWithContext<RouterContext>()({ component: Outlet, notFoundComponent: NotFoundPage })

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Record<string, unknown>): { to?: string } =>
    typeof search['to'] === 'string' ? { to: search['to'] } : {},
  component: LoginPage,
})

/** Everything but the log-in: needs a session. */
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.client.ensureQueryData(sessionQuery)
    } catch (error) {
      if (error instanceof ApiFailure && error.status === 401)
        throw redirect({ to: '/login', search: { to: location.href } })
      throw error
    }
  },
  errorComponent: ({ error, reset }) => <Failed error={error} retry={reset} />,
})

const overview = createRoute({ getParentRoute: () => inside, path: '/', component: OverviewPage })
const loads = createRoute({
  getParentRoute: () => inside,
  path: '/loads',
  component: lazyRouteComponent(() => import('../loads/loads-page.tsx'), 'LoadsPage'),
})
const run = createRoute({
  getParentRoute: () => inside,
  path: '/loads/$run',
  component: lazyRouteComponent(() => import('../loads/run-page.tsx'), 'RunPage'),
})
const backups = createRoute({
  getParentRoute: () => inside,
  path: '/backups',
  component: lazyRouteComponent(() => import('../backups/backups-page.tsx'), 'BackupsPage'),
})
const backup = createRoute({
  getParentRoute: () => inside,
  path: '/backups/$warehouse/$backup',
  component: lazyRouteComponent(() => import('../backups/backup-page.tsx'), 'BackupPage'),
})

export interface RecoverySearch {
  readonly warehouse?: string
  /** ISO 8601. */
  readonly at?: string
  /** Id of a load: to just before it. */
  readonly load?: string
}
const recovery = createRoute({
  getParentRoute: () => inside,
  path: '/recovery',
  validateSearch: (search: Record<string, unknown>): RecoverySearch => ({
    ...(typeof search['warehouse'] === 'string' ? { warehouse: search['warehouse'] } : {}),
    ...(typeof search['at'] === 'string' ? { at: search['at'] } : {}),
    ...(typeof search['load'] === 'string' ? { load: search['load'] } : {}),
  }),
  component: lazyRouteComponent(() => import('../recovery/recovery-page.tsx'), 'RecoveryPage'),
})
const warehouses = createRoute({
  getParentRoute: () => inside,
  path: '/warehouses',
  component: lazyRouteComponent(() => import('../warehouses/warehouses-page.tsx'), 'WarehousesPage'),
})
const warehouse = createRoute({
  getParentRoute: () => inside,
  path: '/warehouses/$warehouse',
  component: lazyRouteComponent(() => import('../warehouses/warehouse-page.tsx'), 'WarehousePage'),
})

const tree = root.addChildren([
  login,
  inside.addChildren([overview, loads, run, backups, backup, recovery, warehouses, warehouse]),
])

export function createConsoleRouter(client: QueryClient) {
  return createRouter({ routeTree: tree, context: { client }, defaultPreload: 'intent', scrollRestoration: true })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>
  }
}
