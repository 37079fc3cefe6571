// Log-in through a real browser, over a real control database.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import type { Browser } from 'playwright-core'

import { room as assurance } from '../../src/assurance/room.ts'
import { room as control } from '../../src/control/room.ts'
import { room as runs } from '../../src/runs/room.ts'
import { buildConsoleServer } from '../../src/server/listening.ts'
import { room as server } from '../../src/server/room.ts'
import { room as warehouse } from '../../src/warehouse/room.ts'
import { startBrowser } from '../support/browser.ts'
import { testContext } from '../support/context.ts'
import { startServer } from '../support/postgres.ts'
import { skipUnless } from '../support/requirements.ts'
import { buildConsole } from './built.ts'
import { listen } from './visit.ts'

describe('console log-in', { skip: skipUnless('chromium', 'postgres18') }, () => {
  let folder: string
  let browser: Browser
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wharf-console-'))
    browser = await startBrowser()
  })
  after(async () => {
    await browser.close()
    await rm(folder, { recursive: true, force: true })
  })

  test('log-in over a real control database: refused, accepted, kept over a reload, ended', async () => {
    await using database = await startServer({ major: 18 })
    await using scope = new AsyncDisposableStack()
    const config = { control: { url: database.url }, server: { listen: '127.0.0.1:0' } }
    const context = testContext({ home: folder, rooms: [warehouse, control, runs, assurance, server], config }, scope)
    const real = await buildConsoleServer(context, await buildConsole(join(folder, 'console')))
    const life = new AbortController()
    const { password } = (await real.ensureAdmin())!
    const { url } = await real.start(life.signal)
    const plain = await fetch(`${url}/`, { headers: { accept: '*/*' } })
    assert.equal(plain.status, 200)
    assert.match(await plain.text(), /<title>/)
    const window = await browser.newContext()
    const complaints = listen(window)
    try {
      const page = await window.newPage()
      await page.goto(`${url}/backups`)
      await page.waitForURL(/\/login\?to=/)
      await page.getByLabel('Password').first().fill('wrong-password')
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByText('Account or password is wrong.').waitFor()
      await page.getByLabel('Password').first().fill(password)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.waitForURL(`${url}/backups`)
      await page.reload()
      await page.getByRole('heading', { name: 'Backups' }).first().waitFor()
      const cookies = await window.cookies()
      assert.deepEqual(
        cookies.map((one) => [one.httpOnly, one.sameSite]),
        [[true, 'Strict']],
      )
      await page.getByRole('button', { name: 'Account and appearance' }).click()
      await page.getByRole('menuitem', { name: 'Log out' }).click()
      await page.waitForURL(/\/login/)
      await page.goto(url)
      await page.waitForURL(/\/login/)
      // The warehouse and backup rooms are not part of this server: what they would answer is not there.
      assert.deepEqual(
        complaints.filter((one) => !/status of (404|500)/.test(one)),
        [],
      )
    } finally {
      await window.close()
      life.abort()
      await real.stop()
    }
  })
})
