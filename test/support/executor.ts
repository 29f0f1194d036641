import { createExecutor } from '../../src/main/runtime/executor.ts';

/** The real runtime, for tests of emitted graphs. */
export const plainExecutor = createExecutor();
