import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test/e2e',
  outputDir: 'test-results',
  workers: 1,
  forbidOnly: true,
  reporter: 'list',
  globalSetup: './test/support/own-home.ts',
  // Far beyond what a busy machine needs. What is not there after an action's limit will not come: say so, rather than wait
  // for the test's own.
  timeout: 3_000_000,
  expect: { timeout: 300_000 },
  use: { viewport: { width: 1280, height: 800 }, actionTimeout: 300_000 },
});
