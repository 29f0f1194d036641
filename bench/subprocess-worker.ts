// The process of `inSubprocess`: it can measure, and loads little else.
import { parentChannel } from '../src/main/jobs/parent-channel.ts';
import { serveTask } from '../src/main/jobs/worker-side.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { runMeasure } from '../src/main/pipeline/measure/measure.ts';

const nothing = (): never => {
  throw new Error('only measurements are made here');
};

export default function serve(): Promise<never> {
  serveTask({
    tasks: { measure: runMeasure },
    channel: parentChannel(),
    debug: true,
    open: () =>
      Promise.resolve({
        context: {
          executor: createExecutor(),
          latency: { get: () => undefined, put: nothing },
          artifact: nothing,
          memo: nothing,
        },
        expected: { seconds: {}, measured: false },
        finished: () => undefined,
      }),
  });
  // The channel ends this process.
  return new Promise(() => undefined);
}
