import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test/e2e',
  outputDir: 'test-results',
  workers: 1,
  forbidOnly: true,
  reporter: 'list',
  // What is not there after that will not come: say so, rather than wait for the test's own limit.
  use: { viewport: { width: 1280, height: 800 }, actionTimeout: 20_000 },
});
