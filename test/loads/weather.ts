// examples/weather as it stands in its wharf.yaml, on a test server.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { parse } from 'yaml'

import { openLoadStage, pipelinesOf, type LoadStage, type LoadStageOptions } from './stage.ts'

const example = fileURLToPath(new URL('../../examples/weather/wharf.yaml', import.meta.url))

export async function openWeather(
  options: Pick<LoadStageOptions, 'server' | 'database' | 'lease'>,
  feeds: string,
): Promise<LoadStage> {
  const text = (await readFile(example, 'utf8'))
    .replaceAll('${env:WHARF_FEEDS}', feeds)
    .replaceAll('warehouse: weather', 'warehouse: dw')
  return await openLoadStage({ ...options, pipelines: pipelinesOf(parse(text) as object), configFile: example })
}
