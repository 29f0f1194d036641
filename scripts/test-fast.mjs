// npm run test:fast: types, lint and the unit tests of pure code, two at a time, with caches from
// the previous run.
import { availableParallelism } from 'node:os';
import { fastLint, fastTests, runChecks, typeChecks } from './run-checks.mjs';

const start = performance.now();
const [first, ...others] = typeChecks({ incremental: true });
const failed = await runChecks(
  [first, fastLint, fastTests, ...others],
  Math.max(2, Math.min(3, availableParallelism())),
);
const seconds = ((performance.now() - start) / 1000).toFixed(0);
console.log(failed ? `${failed} failed, ${seconds} s` : `all passed, ${seconds} s`);
process.exitCode = failed ? 1 : 0;
