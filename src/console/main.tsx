// Start of the console.
import '@mantine/core/styles.css'
import './app/tokens.css'

import { MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'

import { ApiFailure } from './api/client.ts'
import { createConsoleRouter } from './app/router.tsx'
import { theme } from './app/theme.ts'

// The page's policy allows styles made at run time only with the page's own nonce.
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? ''
Object.assign(globalThis, { __webpack_nonce__: nonce })

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // What was refused will be refused again; what was not reached may be reached.
      retry: (count, error) => count < 2 && !(error instanceof ApiFailure && error.status >= 400 && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
})

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={client}>
        <RouterProvider router={createConsoleRouter(client)} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
