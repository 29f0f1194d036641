// Entry of the command line: composition only.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processIo } from './cli/io.ts';
import { runCli } from './cli/run.ts';
import { onInterrupt } from './cli/signals.ts';
import { forkSpawner } from './jobs/child-process.ts';
import { openServices } from './services/index.ts';
import { dataHome } from './storage/paths.ts';
import { serveHere } from './transport/serve.ts';

// The built file lies in out/main.
const root = dirname(dirname(import.meta.dirname));
const manifest = join(root, 'package.json');
const { version } = (existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : { version: '0.0.0' }) as {
  version: string;
};

process.exitCode = await runCli({
  args: process.argv.slice(2),
  io: processIo(),
  version,
  open: () =>
    openServices({
      home: dataHome(),
      spawner: forkSpawner({ worker: join(import.meta.dirname, 'worker.js') }),
      resources: join(root, 'resources'),
    }),
  serve: (services, port, log) =>
    serveHere({ services, version, port, log, root: join(root, 'out/renderer'), start: process.cwd() }),
  onInterrupt,
});
// The launcher's channel must not keep a finished command alive.
if (process.connected) process.disconnect();
