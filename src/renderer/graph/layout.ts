/** Requests the layout of a graph from the worker. */
import type { LayoutAnswer, LayoutQuestion } from './rows.ts';

/** Rejects when the worker fails. The worker ends after its answer. */
export function layout(question: LayoutQuestion): Promise<LayoutAnswer> {
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<LayoutAnswer>((done, fail) => {
    worker.onmessage = ({ data }: MessageEvent<LayoutAnswer>) => done(data);
    worker.onerror = (e) => fail(new Error(e.message));
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}
