// The command line over the worker whose latencies are given figures. Built before it runs: see build-steady.ts.
import { join } from 'node:path';
import { processIo } from '../../../src/main/cli/io.ts';
import { runCli } from '../../../src/main/cli/run.ts';
import { onInterrupt } from '../../../src/main/cli/signals.ts';
import { forkSpawner } from '../../../src/main/jobs/child-process.ts';
import { openServices } from '../../../src/main/services/index.ts';
import { dataHome } from '../../../src/main/storage/paths.ts';

process.exitCode = await runCli({
  args: process.argv.slice(2),
  io: processIo(),
  version: '0.0.0',
  open: () =>
    openServices({
      home: dataHome(),
      spawner: forkSpawner({ worker: join(import.meta.dirname, 'steady-worker.js') }),
      resources: join(process.cwd(), 'no-resources'),
    }),
  onInterrupt,
});
