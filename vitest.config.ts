import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The window's state (*.svelte.ts) uses runes.
  plugins: [svelte({ configFile: './svelte.config.js' })],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'node_modules/**', 'out/**'],
    // Native sessions live in worker processes; unlike threads, they keep a native crash inside one
    // test file.
    pool: 'forks',
    maxWorkers: 2,
    // Far beyond the needs of a busy machine: the limits end tests that hang, and do not judge
    // speed.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // A data folder for the run, used where a test names none; its queue of measuring jobs is
    // separate as well.
    globalSetup: 'test/support/own-home.ts',
  },
});
