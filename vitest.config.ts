import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The window's state (*.svelte.ts) is written in runes.
  plugins: [svelte({ configFile: './svelte.config.js' })],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'node_modules/**', 'out/**'],
    // Native sessions live in the workers: processes, not threads, keep a native fault inside one test file.
    pool: 'forks',
    maxWorkers: 2,
    // Far beyond what a busy machine needs: these limits end what hangs, they judge no speed.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // A data directory of this run, for whatever is given none: its queue of measuring jobs is its own as well.
    globalSetup: 'test/support/own-home.ts',
  },
});
