// A Chromium for tests: CHROMIUM names it, else it is looked for on the PATH.
import { chromium, type Browser } from 'playwright-core'

import { programPath } from './requirements.ts'

// No graphics hardware, no sandbox for root, and nothing that calls home.
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Path of the browser, or undefined where there is none. */
export function browserPath(): string | undefined {
  return (
    process.env['CHROMIUM'] ??
    programPath('chromium') ??
    programPath('chromium-browser') ??
    programPath('google-chrome')
  )
}

/** Starts it; close it when done. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = browserPath()
  if (executablePath === undefined) throw new Error('no chromium on the PATH: set CHROMIUM')
  return chromium.launch({ executablePath, args: FLAGS })
}
