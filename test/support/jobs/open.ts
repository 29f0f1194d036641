// Opens services with a data folder of their own and the tests' worker.
import { join } from 'node:path';
import { forkSpawner } from '../../../src/main/jobs/child-process.ts';
import { openServices } from '../../../src/main/services/index.ts';
import type { Services } from '../../../src/main/services/index.ts';

export function openTestServices(
  home: string,
  options: { env?: Record<string, string>; execArgv?: string[] } = {},
): Services {
  return openServices({
    home,
    spawner: forkSpawner({ worker: join(import.meta.dirname, 'worker.ts'), ...options }),
    resources: join(home, 'no-resources'),
  });
}
