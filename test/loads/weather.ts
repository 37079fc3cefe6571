// examples/weather as it stands in its wharf.yaml, on a test server.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { parse } from 'yaml'

import type { TestServer } from '../support/postgres.ts'
import { openLoadStage, pipelinesOf, type LoadStage } from './stage.ts'

const example = fileURLToPath(new URL('../../examples/weather/wharf.yaml', import.meta.url))

export async function openWeather(server: TestServer, feeds: string): Promise<LoadStage> {
  const text = (await readFile(example, 'utf8'))
    .replaceAll('${env:WHARF_FEEDS}', feeds)
    .replaceAll('warehouse: weather', 'warehouse: dw')
  return await openLoadStage({ server, pipelines: pipelinesOf(parse(text) as object), configFile: example })
}
