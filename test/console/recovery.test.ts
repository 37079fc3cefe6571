// The recovery page in a real browser: a moment, a part, its plan; found, started, watched.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { skipUnless } from '../support/requirements.ts'
import { openStage, visit, type Stage } from './visit.ts'

describe('recovery page', { skip: skipUnless('chromium') }, () => {
  let stage: Stage
  before(async () => {
    stage = await openStage()
  })
  after(() => stage[Symbol.asyncDispose]())

  test('recovery by keyboard: a moment on the time line, its plan, the command', async () => {
    await visit(stage, {}, async (page, { url }) => {
      await page.goto(`${url}/recovery`)
      const line = page.getByRole('slider', { name: 'Moment to recover to' })
      await line.focus()
      await page.keyboard.press('ArrowLeft')
      const first = Number(await line.getAttribute('aria-valuenow'))
      await page.keyboard.press('Shift+ArrowLeft')
      const second = Number(await line.getAttribute('aria-valuenow'))
      assert.ok(second < first, `${second} is before ${first}`)
      await page.keyboard.press('PageDown')
      assert.ok(Number(await line.getAttribute('aria-valuenow')) < second, 'to the event before')
      assert.match((await line.getAttribute('aria-valuetext')) ?? '', /can be recovered$/)
      await page.getByText('What would be lost').waitFor()
      await page.getByText('412 committed transactions').waitFor()
      const at = new Date(Number(await line.getAttribute('aria-valuenow')) * 1000).toISOString().slice(0, 17)
      const command = await page.locator('code', { hasText: 'wharf recover run' }).textContent()
      assert.ok(command?.startsWith(`wharf recover run retail --at ${at}`), command ?? '')
      await page.getByText('Before a load', { exact: true }).click()
      await page.getByPlaceholder('Choose a load').click()
      await page.getByRole('option').first().click()
      await page.locator('code', { hasText: '--before-load load-' }).waitFor()
    })
  })

  test('somebody deleted rows: when, the moment before it, the tables, compared and recovered, watched', async () => {
    await visit(stage, {}, async (page, { url }) => {
      await page.goto(`${url}/recovery`)
      await page.getByText('Tables', { exact: true }).click()
      await page.getByLabel('Table', { exact: true }).fill('sales.orders')
      await page.getByRole('button', { name: 'Look' }).click()
      const search = page.getByRole('region', { name: 'When did it happen?' })
      await search.getByText('412 003').or(search.getByText('412,003')).first().waitFor()
      await search.getByRole('button', { name: 'Before it' }).first().click()
      const command = page.locator('code', { hasText: 'wharf recover table' })
      await command.waitFor()
      assert.equal(
        await command.textContent(),
        'wharf recover table sales.orders --warehouse retail --lsn 0/1A2B3C40 --mode beside',
      )
      await page.getByText('Merge what is missing').click()
      await page.locator('code', { hasText: '--mode merge' }).waitFor()
      await page.getByRole('button', { name: 'Recover the tables' }).click()
      const question = page.getByRole('dialog')
      await question.getByText('put back by their key').waitFor()
      const posted = page.waitForRequest((request) => request.url().endsWith('/api/recover/table'))
      await question.getByRole('button', { name: 'Recover the tables' }).click()
      const request = await posted
      assert.equal(request.headers()['wharf-confirm'], 'yes')
      assert.deepEqual(request.postDataJSON(), {
        tables: ['sales.orders'],
        warehouse: 'retail',
        lsn: '0/1A2B3C40',
        mode: 'merge',
      })
      await page.getByRole('region', { name: 'Under way' }).getByRole('progressbar').waitFor()
    })
  })

  test('a whole recovery is started after a question and watched beside its prediction', async () => {
    await visit(stage, {}, async (page, { url }) => {
      await page.goto(`${url}/recovery`)
      await page.getByText('412 committed transactions').waitFor()
      await page.getByRole('button', { name: 'Start the recovery' }).click()
      const question = page.getByRole('dialog')
      await question.getByText('The warehouse itself is not touched').waitFor()
      await question.getByRole('button', { name: 'Not now' }).click()
      await question.waitFor({ state: 'hidden' })
      await page.getByRole('button', { name: 'Start the recovery' }).click()
      await question.getByRole('button', { name: 'Start the recovery' }).click()
      const watched = page.getByRole('region', { name: 'Under way' })
      await watched.getByText(/predicted /).waitFor()
      await watched.getByRole('progressbar', { name: 'fetching' }).waitFor()
    })
  })
})
