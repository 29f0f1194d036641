// Set-up of the window's tests: a data folder of their own, and the command line with fixed
// latencies.
import { join } from 'node:path';
import { ROOT } from '../support/files.ts';
import { buildSteady } from '../support/jobs/build-steady.ts';
import ownHome from '../support/own-home.ts';

const NAME = 'steady-window';
export const STEADY_CLI = join(ROOT, 'out', NAME, 'steady-cli.js');

export default async function setup(): Promise<() => void> {
  await buildSteady(NAME);
  return ownHome();
}
