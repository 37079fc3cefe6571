// Screenshots of every page, wide and narrow, light and dark, into a folder: `node test/console/shots.ts FOLDER [scenario] [pages]`. With
// SHOTS_URL and SHOTS_PASSWORD of a server that runs.
import { mkdirSync, mkdtempSync } from 'node:fs'

import { startBrowser } from '../support/browser.ts'
import { buildConsole } from './built.ts'
import { startFixtureServer } from './fixture-server.ts'
import type { Scenario } from './fixtures.ts'

const folder = process.argv[2] ?? 'shots'
const scenario = (process.argv[3] ?? 'good') as Scenario
const only = process.argv[4]
mkdirSync(folder, { recursive: true })
const running = process.env['SHOTS_URL']
const server =
  running === undefined
    ? await startFixtureServer(scenario, 0, await buildConsole(mkdtempSync('/tmp/wharf-console-')))
    : { url: running, [Symbol.asyncDispose]: async () => {} }
const browser = await startBrowser()
const pages: Record<string, string> = {
  overview: '/',
  loads: '/loads',
  run: process.env['SHOTS_RUN'] ?? '/loads/run-0',
  failedrun: '/loads/run-2',
  backups: '/backups',
  backup: process.env['SHOTS_BACKUP'] ?? '/backups/retail/x',
  recovery: '/recovery',
  warehouses: '/warehouses',
  warehouse: '/warehouses/retail',
  login: '/login',
  missing: '/nowhere',
}
for (const [size, width, height] of [
  ['wide', 1280, 860],
  ['phone', 390, 844],
] as const) {
  for (const colorScheme of ['light', 'dark'] as const) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme,
      deviceScaleFactor: size === 'phone' ? 2 : 1,
    })
    const page = await context.newPage()
    page.on(
      'console',
      (message) =>
        ['error', 'warning'].includes(message.type()) && console.log(size, colorScheme, page.url(), message.text()),
    )
    page.on('pageerror', (error) => console.log('PAGEERROR', page.url(), error.stack))
    await page.goto(`${server.url}/login`)
    await page
      .getByLabel('Password')
      .first()
      .fill(process.env['SHOTS_PASSWORD'] ?? 'right')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.waitForURL(`${server.url}/`)
    for (const [name, path] of Object.entries(pages)) {
      if (only !== undefined && !only.split(',').includes(name)) continue
      await page.goto(server.url + path)
      await page.waitForTimeout(name === 'run' ? 1200 : 700)
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      if (overflow > 0) console.log(`${name} ${size} scrolls sideways by ${overflow}`)
      await page.screenshot({ path: `${folder}/${scenario}-${name}-${size}-${colorScheme}.png`, fullPage: true })
    }
    await context.close()
  }
}
await browser.close()
await server[Symbol.asyncDispose]()
process.exit(0)
