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
    testTimeout: 60_000,
  },
});
