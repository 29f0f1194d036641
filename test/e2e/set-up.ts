// Set-up of a run of the window's tests: a data directory of its own, and the command line whose latencies are given figures.
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
