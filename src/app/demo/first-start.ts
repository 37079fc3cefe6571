// `wharf up` without a configuration: offers the demo and writes its wharf.yaml.
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { writeFileDurably } from '../../base/durable.ts'
import type { FirstStart } from '../../base/room.ts'
import { reopen } from '../reopen.ts'
import { demoFile, demoLayout } from './layout.ts'
import { makeRepository } from './prepare.ts'

const copied = ['partitions.sql', 'apply_returns.sql', 'stage_day.sql']

export const demoFirstStart: FirstStart = {
  name: 'demo',
  run: async (context, tools, signal) => {
    const question = `No configuration at ${context.configFile}. Set up the demo, a retail warehouse of about 1 GB, under ${context.home}?`
    if (!(await tools.confirm(question))) return 'declined'
    const layout = demoLayout(context.home)
    // The configuration names files relative to its own folder.
    const folder = join(dirname(context.configFile), 'demo')
    await mkdir(layout.feed, { recursive: true, mode: 0o700 })
    for (const name of copied) await writeFileDurably(join(folder, name), await readFile(demoFile(name)))
    await writeFileDurably(context.configFile, await readFile(demoFile('wharf.yaml')))
    // Before anything runs: a receiver without a repository would begin with an error.
    await using scope = new AsyncDisposableStack()
    await makeRepository(await reopen(context, scope), signal)
    return 'written'
  },
}
