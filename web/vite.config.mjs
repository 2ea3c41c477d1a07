import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { hashSources } from './sources.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));

// recordSources writes what dist was built from, so that a Go test can tell
// stale assets without having Node. go:embed leaves files with a dot out.
const recordSources = {
  name: 'record-sources',
  writeBundle({ dir }) {
    writeFileSync(`${dir}/.sources`, hashSources(root) + '\n');
  },
};

export default defineConfig({
  root,
  base: '/',
  plugins: [recordSources],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // The content security policy has no place for data: or inline code.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700, // kB: hls.js, which only the player page loads
    rolldownOptions: {
      input: { index: `${root}/index.html`, watch: `${root}/watch.html` },
    },
  },
});
