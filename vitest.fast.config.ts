import { defineConfig } from 'vitest/config';
import { pureTests } from './test/support/pure-tests.ts';
import all from './vitest.config.ts';

// Pure code keeps no state between files, so all files share one worker, which saves the start of a
// process per file.
export default defineConfig({
  ...all,
  test: { ...all.test, include: pureTests(), isolate: false, pool: 'threads', maxWorkers: 1 },
});
