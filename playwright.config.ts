import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test/e2e',
  outputDir: 'test-results',
  // Each test has an app and a data directory of its own, and no verdict is a matter of the machine's pace.
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  reporter: 'list',
  globalSetup: './test/e2e/set-up.ts',
  // Far beyond what a busy machine needs. What is not there after an action's limit will not come: say so, rather than wait
  // for the test's own.
  timeout: 3_000_000,
  expect: { timeout: 300_000 },
  use: { viewport: { width: 1280, height: 800 }, actionTimeout: 300_000 },
});
