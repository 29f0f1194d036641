import { join } from 'node:path';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { ROOT } from './files.ts';

/** The real runtime, for tests of emitted graphs. */
export const plainExecutor = createExecutor();

const threaded = createExecutor(join(ROOT, 'src/main/session.ts'));
/** The same, with sessions on threads. */
export const threadedExecutor = { ...threaded, openThread: threaded.openThread! };
