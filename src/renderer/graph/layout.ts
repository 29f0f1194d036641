/** Asks the worker where the boxes go. */
export interface LayoutQuestion {
  readonly boxes: readonly { readonly id: string; readonly width: number; readonly height: number }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}
export interface LayoutAnswer {
  readonly at: Readonly<Record<string, { readonly x: number; readonly y: number }>>;
}

/** Rejects when the worker fails. The worker ends with the answer. */
export function layout(question: LayoutQuestion): Promise<LayoutAnswer> {
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<LayoutAnswer>((done, fail) => {
    worker.onmessage = ({ data }: MessageEvent<LayoutAnswer>) => done(data);
    worker.onerror = (e) => fail(new Error(e.message));
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}
