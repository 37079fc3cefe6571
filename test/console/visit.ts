// A logged-in page of the console over made-up rooms; whatever the browser complains of is collected.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Browser, BrowserContext, Page } from 'playwright-core'

import { startBrowser } from '../support/browser.ts'
import { buildConsole } from './built.ts'
import { startFixtureServer, type FixtureServer } from './fixture-server.ts'
import type { Scenario } from './fixtures.ts'

export interface Stage extends AsyncDisposable {
  readonly browser: Browser
  /** Folder of the built console. */
  readonly built: string
}

/** A browser and the console built for it. */
export async function openStage(): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'wharf-console-'))
  const built = await buildConsole(join(folder, 'console'))
  const browser = await startBrowser()
  return {
    browser,
    built,
    [Symbol.asyncDispose]: async () => {
      await browser.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export interface VisitOptions {
  readonly scenario?: Scenario
  readonly width?: number
  readonly dark?: boolean
  /** Complaints that belong to the test. */
  readonly expected?: RegExp
}

/** Runs `work` in a logged-in page; any complaint of the browser fails the test. */
export async function visit(
  stage: Stage,
  options: VisitOptions,
  work: (page: Page, server: FixtureServer) => Promise<void>,
): Promise<void> {
  await using started = await startFixtureServer(options.scenario ?? 'good', 0, stage.built)
  const context = await stage.browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.width === 390 ? 844 : 860 },
    colorScheme: options.dark === true ? 'dark' : 'light',
  })
  const complaints = listen(context, options.expected)
  try {
    const page = await context.newPage()
    await page.goto(started.url)
    await page.getByLabel('Password').first().fill('right')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
    await work(page, started)
  } finally {
    await context.close()
  }
  assert.deepEqual(complaints, [])
}

/** Errors and warnings of the browser's console, uncaught errors, and requests to anywhere else. */
export function listen(context: BrowserContext, expected?: RegExp): string[] {
  const complaints: string[] = []
  // Whoever is not logged in is told so with a 401, which the browser mentions.
  const known = /status of 401/
  context.on('console', (message) => {
    const isBad = ['error', 'warning'].includes(message.type())
    if (isBad && !known.test(message.text()) && !expected?.test(message.text())) complaints.push(message.text())
  })
  context.on('weberror', (error) => complaints.push(String(error.error())))
  context.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1[:/]|data:|blob:)/.test(request.url()))
      complaints.push(`asked elsewhere: ${request.url()}`)
  })
  return complaints
}
