// npm run types: type-checks every room with only the libraries and globals that it may use, then
// the Svelte files.
import { availableParallelism } from 'node:os';
import { runChecks, typeChecks } from './run-checks.mjs';

// A check takes about a gigabyte of memory; more than three at once gain little.
const failed = await runChecks(typeChecks(), Math.min(3, availableParallelism()));
process.exitCode = failed ? 1 : 0;
