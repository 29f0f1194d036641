/** Everything a worker can be asked to do, by the name that jobs have as their kind. */
import { runBench } from './bench.ts';
import { runCompare } from './compare.ts';
import { runDevices } from './devices.ts';
import { runInspect } from './inspect.ts';

export const tasks = {
  bench: runBench,
  compare: runCompare,
  devices: runDevices,
  inspect: runInspect,
};
