import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'test/e2e',
  outputDir: 'test-results',
  // Each test has its own app and data folder, and no verdict depends on the machine's speed.
  workers: 2,
  fullyParallel: true,
  forbidOnly: true,
  reporter: 'list',
  globalSetup: './test/e2e/set-up.ts',
  // Far beyond the needs of a busy machine. An action that reaches its own limit will not succeed,
  // so it fails then and does not wait for the test's limit.
  timeout: 3_000_000,
  expect: { timeout: 300_000 },
  use: { viewport: { width: 1280, height: 800 }, actionTimeout: 300_000 },
});
