// The recovery page in a real browser: a moment, a part, its plan; found, started, watched.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { accuracyJson } from '../../src/recovery/operations/accuracy.ts'
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
      await page.getByRole('region', { name: 'What', exact: true }).getByText('Tables').click()
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
      const plan = page.getByRole('region', { name: 'Plan' })
      await plan.getByText('LSN 0/1A2B3C40', { exact: true }).waitFor()
      const planned = (await plan.textContent()) ?? ''
      assert.match(planned, /Back in4\.3s2\.6 s to 8\.2 s in 4 of 5 cases, partly a first guess/)
      assert.match(planned, /To read107MB64\.0 MB of it what is wanted/)
      assert.match(planned, /copy the rows of 1 table 60\.0 MB2\.4 s900 ms – 6\.1 s, guessed/)
      assert.match(planned, /On the live servermissing and changed rows go back into sales\.orders by primary key/)
      assert.match(planned, /Not in what comes backNot known: .* could not be counted/)
      assert.match(planned, /Why this onebackup .* is chosen: the newest of 9/)
      assert.match(planned, /Space for the sandbox210 MB needed, 31\.0 GB free/)
      await page.getByRole('button', { name: 'Compare' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Compare' }).click()
      const differs = page.getByRole('region', { name: 'What differs' })
      await differs.getByRole('cell', { name: /^412.003$/ }).waitFor()
      await differs.getByText('columns that are new: channel').waitFor()
      await page.getByRole('button', { name: 'Recover the tables' }).click()
      const question = page.getByRole('dialog')
      await question.getByText('put back by their key').waitFor()
      await question.getByText('just before LSN 0/1A2B3C40').waitFor()
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
      const watched = page.getByRole('region', { name: 'Under way' })
      await watched.getByRole('progressbar').waitFor()
      await watched.getByText('predicted 4.3 s').waitFor()
      await watched.getByRole('button', { name: 'Cancel' }).click()
      const cancelled = page.waitForRequest((one) => one.url().endsWith('/api/run/cancel'))
      await watched.getByRole('button', { name: 'Cancel it now' }).click()
      assert.deepEqual((await cancelled).postDataJSON(), { run: 'run-recover' })
    })
  })

  test('how well predictions have held; a database; a plan that is late, and fails', async () => {
    await visit(stage, { expected: /status of 500/ }, async (page, { url }) => {
      await page.goto(`${url}/recovery`)
      const panel = page.getByRole('region', { name: 'Predicted and measured' })
      await panel
        .getByRole('img', { name: /by measurements and 3 recoveries by first guesses: median error \d+ %/ })
        .waitFor()
      assert.match(
        (await panel.locator('dl').textContent()) ?? '',
        /Within the interval93% 80 % is meant: wider than need be/,
      )
      const worst = panel.getByRole('listitem')
      assert.equal(await worst.count(), 2)
      assert.match(
        (await worst.first().textContent()) ?? '',
        /^Tables .*× 2\.70said .* took .*; most of it in step “Replay WAL”/,
      )
      const drills = panel.getByRole('row', { name: /^Drill/ }).first()
      assert.match((await drills.textContent()) ?? '', /^Drill \(way\)13/)
      await panel.getByText('Measured, but only guessed before: Verify (full) (said 100 ms, took 210 ms).').waitFor()
      await panel.getByText('All 30 recoveries as a table').focus()
      await page.keyboard.press('Enter')
      await panel.getByRole('cell', { name: 'a first guess' }).nth(2).waitFor()
      const run = {
        id: 'run-7',
        pipeline: 'recover run',
        state: 'running',
        trigger: 'http',
        businessDate: null,
        actor: 'mira',
        tasks: [],
      }
      const createdAt = new Date().toISOString()
      const runs = [{ ...run, createdAt, startedAt: createdAt, finishedAt: null }]
      await page.route('**/api/run/list?*', (route) => route.fulfill({ json: { runs } }))
      await page.route('**/api/recover/accuracy?*', (route) => route.fulfill({ json: accuracyJson([]) }))
      await page.reload()
      await page.getByText('Nothing measured yet: run a drill').waitFor()
      await page.locator('code', { hasText: 'wharf drill run retail' }).waitFor()

      // In the same page: a database, others at work, and a plan that takes long and fails.
      await page.getByRole('list', { name: 'Recoveries under way' }).getByText('started by mira').waitFor()
      await page.getByRole('region', { name: 'What', exact: true }).getByText('A database').click()
      await page.getByLabel('Database', { exact: true }).fill('shop')
      await page.getByRole('region', { name: 'Plan' }).getByText('a new database shop_recovered_').waitFor()
      await page.locator('code', { hasText: /^wharf recover database shop --warehouse retail --latest$/ }).waitFor()
      const error = { code: 'x', message: 'the target lies in a hole', hint: 'choose another' }
      const { promise: answer, resolve: fail } = Promise.withResolvers<void>()
      await page.route('**/api/recover/plan?*', async (route) => {
        await answer
        await route.fulfill({ status: 500, json: { error } })
      })
      await page.getByLabel('As a new database').fill('shop_then')
      await page.getByText('Below is still the plan before it').waitFor()
      await page.getByRole('button', { name: 'Recover the database' }).click()
      await page.getByRole('dialog').getByText('The plan is still being made').waitFor()
      fail()
      const question = page.getByRole('dialog')
      await question.getByText('There is no plan for this: the target lies in a hole.').waitFor()

      // A start that failed may have arrived: tried again it is the same wish, and with another name another one.
      const starts = '**/api/recover/database'
      await page.route(starts, (route) => route.fulfill({ status: 500, json: { error } }))
      const keyOfStart = async () => {
        const sent = page.waitForResponse(starts)
        await question.getByRole('button', { name: 'Recover the database' }).click()
        return (await sent).request().headers()['idempotency-key']
      }
      const key = await keyOfStart()
      await question.getByText('choose another').waitFor()
      assert.equal(await keyOfStart(), key)
      await question.getByRole('button', { name: 'Not now' }).click()
      await question.waitFor({ state: 'hidden' })
      await page.getByLabel('As a new database').fill('shop_now')
      await page.getByRole('button', { name: 'Recover the database' }).click()
      assert.notEqual(await keyOfStart(), key)
    })
  })

  test('a whole recovery is started after a question and watched beside its prediction', async () => {
    await visit(stage, {}, async (page, { url }) => {
      await page.goto(`${url}/recovery`)
      await page.getByText('412 committed transactions').waitFor()
      await page.getByRole('button', { name: 'Start the recovery' }).click()
      const question = page.getByRole('dialog')
      await question.getByText('The warehouse itself is not touched').waitFor()
      await question.getByText('the newest that the repository holds').waitFor()
      await question.getByText('Lost: 412 committed transactions').waitFor()
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
