// The command line, including its served window, with the worker of fixed latencies. It must be
// built before it runs: see build-steady.ts.
import { join, resolve } from 'node:path';
import { processIo } from '../../../src/main/cli/io.ts';
import { runCli } from '../../../src/main/cli/run.ts';
import { onInterrupt } from '../../../src/main/cli/signals.ts';
import { forkSpawner } from '../../../src/main/jobs/child-process.ts';
import { openServices } from '../../../src/main/services/index.ts';
import { dataHome } from '../../../src/main/storage/paths.ts';
import { serveHere } from '../../../src/main/transport/serve.ts';

// The built file lies two folders below the repository.
const root = resolve(import.meta.dirname, '../..');
const version = '0.0.0';

process.exitCode = await runCli({
  args: process.argv.slice(2),
  io: processIo(),
  version,
  open: () =>
    openServices({
      home: dataHome(),
      spawner: forkSpawner({ worker: join(import.meta.dirname, 'steady-worker.js') }),
      resources: join(root, 'resources'),
    }),
  serve: (services, port, log) =>
    serveHere({ services, version, port, log, root: join(root, 'out/renderer'), start: process.cwd() }),
  onInterrupt,
});
