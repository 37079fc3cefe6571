// Builds the console to dist/console: hashed assets, compressed beforehand, nothing from any other place.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url))
// Below this the headers weigh more than what is saved.
const LEAST_BYTES = 1024

/** Writes .br and .gz beside each text asset, for the server to hand out as they are. */
function precompress(): Plugin {
  let outDir = ''
  const compress = { br: promisify(brotliCompress), gz: promisify(gzip) }
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir
    },
    async closeBundle() {
      const assets = join(outDir, 'assets')
      for (const name of await readdir(assets)) {
        if (!/\.(js|css|svg)$/.test(name)) continue
        const content = await readFile(join(assets, name))
        if (content.length < LEAST_BYTES) continue
        await writeFile(join(assets, `${name}.br`), await compress.br(content))
        await writeFile(join(assets, `${name}.gz`), await compress.gz(content))
      }
    },
  }
}

export default defineConfig({
  root: folder('.'),
  plugins: [react(), precompress()],
  build: {
    outDir: folder('../../dist/console'),
    emptyOutDir: true,
    target: 'es2023',
    // Inline scripts and data: fonts would need holes in the page's policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: { entryFileNames: 'assets/[name]-[hash].js', chunkFileNames: 'assets/[name]-[hash].js' },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:7780', '/metrics': 'http://127.0.0.1:7780' } },
})
