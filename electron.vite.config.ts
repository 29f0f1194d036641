import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'electron-vite';

const here = import.meta.dirname;

const { version } = JSON.parse(readFileSync(resolve(here, 'package.json'), 'utf8')) as { version: string };

// Entry files only compose. `index` is the app's main process, `cli` and `worker` run without
// Electron, `session` is a thread of a worker.
const mainEntries = Object.fromEntries(
  ['index', 'cli', 'worker', 'session']
    .map((name) => [name, resolve(here, `src/main/${name}.ts`)] as const)
    .filter(([, path]) => existsSync(path)),
);

export default defineConfig({
  main: {
    build: {
      outDir: 'out/main',
      target: 'node22',
      // Stack traces must be readable in bug reports.
      minify: false,
      sourcemap: false,
      rollupOptions: {
        input: mainEntries,
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: 'out/preload',
      rollupOptions: {
        input: { index: resolve(here, 'src/preload/index.ts') },
        // A sandboxed preload is loaded as CommonJS.
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: {
    root: resolve(here, 'src/renderer'),
    plugins: [svelte({ configFile: resolve(here, 'svelte.config.js') })],
    define: { __APP_VERSION__: JSON.stringify(version) },
    build: {
      outDir: resolve(here, 'out/renderer'),
      modulePreload: { polyfill: false },
      minify: true,
      rollupOptions: { input: { index: resolve(here, 'src/renderer/index.html') } },
    },
  },
});
