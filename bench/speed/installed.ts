// The program as the package installs it: compiled and bundled, without its sources. What is measured is what users run.
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

import { execute, root } from '../../tools/steps.ts'

let building: ReturnType<typeof execute> | undefined

/** The launcher of a copy of the built package in `folder`, to be run by this Node. */
export async function installInto(folder: string): Promise<readonly string[]> {
  building ??= execute(process.execPath, [join(root, 'tools/build.ts')])
  const { code, output } = await building
  if (code !== 0) throw new Error(output)
  const place = join(folder, 'installed')
  mkdirSync(place, { recursive: true })
  for (const name of ['bin', 'dist', 'package.json', 'node_modules'])
    if (name === 'node_modules') symlinkSync(join(root, name), join(place, name))
    else if (existsSync(join(root, name))) cpSync(join(root, name), join(place, name), { recursive: true })
  return [process.execPath, join(place, 'bin', 'wharf')]
}
