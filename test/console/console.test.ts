// A real browser on the built console, over made-up rooms, so that every condition can be shown.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { skipUnless } from '../support/requirements.ts'
import { openStage, visit, type Stage } from './visit.ts'

describe('console', { skip: skipUnless('chromium') }, () => {
  let stage: Stage
  before(async () => {
    stage = await openStage()
  })
  after(() => stage[Symbol.asyncDispose]())

  test('the first screen answers the question, and is live', async () => {
    await visit(stage, {}, async (page) => {
      const hero = page.getByRole('region', { name: 'Warehouse retail' })
      await hero.getByText('Protected').waitFor()
      assert.match((await hero.textContent()) ?? '', /would lose at most the last 830.ms of changes/)
      assert.match((await hero.textContent()) ?? '', /Lost now \(RPO\)830ms236 kB of WAL not durable yet/)
      assert.match((await hero.textContent()) ?? '', /Back in \(RTO\)1min2s48 s to 1 min 35 s, measured rates/)
      await page.getByRole('status').getByText('Live').waitFor()
      await page.getByRole('region', { name: 'Loads' }).getByText('2 of 5 tasks').waitFor()
      await page.getByRole('img', { name: /^Time line of retail: recoverable from/ }).waitFor()
      await page.getByRole('img', { name: /^WAL lag: now/ }).waitFor()
    })
  })

  test('what is wrong is said with a hint, holes are drawn, and red is not the only sign', async () => {
    await visit(stage, { scenario: 'bad' }, async (page) => {
      const hero = page.getByRole('region', { name: 'Warehouse retail' })
      await hero.getByText('Not protected').waitFor()
      const wrong = page.getByRole('region', { name: 'What is wrong now' })
      assert.match(
        (await wrong.textContent()) ?? '',
        /Critical: .*the repository local is full: 0 bytes free on \/backups.*free some space/,
      )
      await page.getByRole('img', { name: /1 holes/ }).waitFor()
    })
  })

  test('what could not be asked is not shown as nothing', async () => {
    await visit(stage, { scenario: 'unreachable' }, async (page) => {
      const hero = page.getByRole('region', { name: 'Warehouse retail' })
      const text = (await hero.textContent()) ?? ''
      assert.match(text, /Last complete backupnot known/)
      assert.match(text, /Lost now \(RPO\)not known/)
      assert.ok(!text.includes('Protected'))
    })
  })

  test('nothing declared and nothing run yet have their own words', async () => {
    await visit(stage, { scenario: 'empty' }, async (page, { url }) => {
      await page.getByText('No warehouse is declared yet.').waitFor()
      await page.goto(`${url}/loads`)
      await page.getByText('Nothing has run yet').waitFor()
      await page.goto(`${url}/backups`)
      await page.getByText('There is no backup yet').waitFor()
      await page.goto(`${url}/nowhere`)
      await page.getByText('There is no such page').waitFor()
    })
  })

  test('a failed answer is said and can be tried again', async () => {
    await visit(stage, { expected: /status of 503/ }, async (page, { url }) => {
      let fail = true
      await page.route('**/api/backup/list', (route) =>
        fail
          ? route.fulfill({
              status: 503,
              json: { error: { code: 'x', message: 'the repository is away', hint: 'plug it in' } },
            })
          : route.continue(),
      )
      await page.goto(`${url}/backups`)
      await page.getByText('The repository is away.').waitFor()
      await page.getByText('plug it in').waitFor()
      fail = false
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByRole('cell', { name: 'incremental' }).first().waitFor()
    })
  })

  test('a run: graph, task, log', async () => {
    await visit(stage, { expected: /status of 404/ }, async (page, { url }) => {
      await page.goto(`${url}/loads`)
      await page.getByRole('link', { name: 'sales_day' }).first().click()
      await page.getByRole('heading', { name: /^sales_day/ }).waitFor()
      await page.locator('.react-flow__node').nth(4).waitFor()
      // Edges are drawn once the nodes have been measured.
      await page.locator('.react-flow__edge').nth(4).waitFor({ state: 'attached' })
      assert.equal(await page.locator('.react-flow__edge').count(), 5)
      await page.getByRole('region', { name: 'Task stage_items' }).getByText('88.0 MB of 211 MB').waitFor()
      await page.locator('.react-flow__node', { hasText: 'extract' }).click()
      await page.getByRole('region', { name: 'Task extract' }).waitFor()
      await page.getByRole('log').getByText('step 39 of the task').waitFor()
      await page.goto(`${url}/loads/run-none`)
      await page.getByText('No run has the id "run-none".').waitFor()
    })
  })

  test('every place is reached by Tab, and the theme can be switched', async () => {
    await visit(stage, {}, async (page) => {
      const reached = new Set<string>()
      for (let step = 0; step < 40; step++) {
        await page.keyboard.press('Tab')
        reached.add(
          String(
            await page.evaluate(
              'document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label")',
            ),
          ),
        )
      }
      for (const name of [
        'To the content',
        'Loads',
        'Backups',
        'Recovery',
        'Warehouses',
        'Account and appearance',
        'Plan a recovery',
      ]) {
        assert.ok(reached.has(name), `${name} in ${[...reached].join(' | ')}`)
      }
      const scheme = () => page.evaluate('document.documentElement.dataset.mantineColorScheme')
      assert.equal(await scheme(), 'light')
      await page.getByRole('button', { name: 'Account and appearance' }).click()
      await page.getByRole('menuitem', { name: 'Dark' }).click()
      assert.equal(await scheme(), 'dark')
      await page.reload()
      await page.getByRole('heading', { name: 'Overview' }).waitFor()
      assert.equal(await scheme(), 'dark')
    })
  })
})
