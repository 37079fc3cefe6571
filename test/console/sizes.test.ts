// No page of the console scrolls sideways or makes the browser complain, on a desk or a phone, light or dark.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { skipUnless } from '../support/requirements.ts'
import { openStage, visit, type Stage } from './visit.ts'

const paths = [
  '/',
  '/loads',
  '/loads/run-0',
  '/loads/run-2',
  '/backups',
  '/backups/retail/x',
  '/recovery',
  '/warehouses',
  '/warehouses/retail',
]

describe('console at every size', { skip: skipUnless('chromium') }, () => {
  let stage: Stage
  before(async () => {
    stage = await openStage()
  })
  after(() => stage[Symbol.asyncDispose]())

  for (const width of [390, 1280]) {
    test(`no page scrolls sideways at ${width} px, nor complains, in light and dark`, async () => {
      for (const dark of [false, true]) {
        await visit(stage, { width, dark }, async (page, { url }) => {
          for (const path of paths) {
            await page.goto(url + path)
            await page.locator('h1').waitFor()
            await page.waitForLoadState('load')
            await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' })
            const beyond = await page.evaluate<number>(
              'document.documentElement.scrollWidth - document.documentElement.clientWidth',
            )
            assert.equal(beyond, 0, `${path} at ${width} px`)
          }
        })
      }
    })
  }
})
