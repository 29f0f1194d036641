import { afterAll, beforeAll, expect, it } from 'vitest';
import { createExecutor } from '../../runtime/executor.ts';
import type { ExecSession } from '../executor.ts';
import { DType } from '../ir/dtype.ts';
import { buildClassifier } from './classifier.ts';

const options = { size: 16, classes: 5, stem: 4, widths: [4, 8], blocks: 2, seed: 3 };
let session: ExecSession;
beforeAll(async () => {
  session = await createExecutor().open(buildClassifier(options));
});
afterAll(() => session.release());

const image = (n: number): { dtype: number; dims: number[]; data: Float32Array } => ({
  dtype: DType.FLOAT,
  dims: [n, 3, 16, 16],
  data: Float32Array.from({ length: n * 768 }, (_, i) => Math.sin(i)),
});

it('runs at any batch and treats samples independently', async () => {
  const { logits: three } = await session.run({ image: image(3) });
  const { logits: one } = await session.run({ image: image(1) });
  expect(three!.dims).toEqual([3, 5]);
  expect((three!.data as Float32Array).every((x) => Number.isFinite(x))).toBe(true);
  one!.data.forEach((x, i) => expect(Number(three!.data[i])).toBeCloseTo(Number(x), 4));
});

it('has the structure it says: shortcuts only where width or resolution change', () => {
  const { graph } = buildClassifier(options);
  const names = [...graph.nodes()].map((n) => n.name);
  expect(names.filter((n) => n.endsWith('shortcut.conv'))).toEqual([
    'stage1.block1.shortcut.conv',
    'stage2.block1.shortcut.conv',
  ]);
  expect(names.filter((n) => n.endsWith('.add'))).toHaveLength(4);
  const params = [...graph.initializers].reduce((s, v) => s + v.initializer!.byteLength / 4, 0);
  const conv = (i: number, o: number, k: number): number => i * o * k * k + 4 * o;
  expect(params).toBe(
    conv(3, 4, 3) + 4 * conv(4, 4, 3) + conv(4, 4, 1) + conv(4, 8, 3) + conv(4, 8, 1) + 3 * conv(8, 8, 3) + 8 * 5 + 5,
  );
});

it('starts from the same weights for the same seed', () => {
  const bytes = (seed: number): Uint8Array[] =>
    [...buildClassifier({ ...options, seed }).graph.initializers].map((v) => v.initializer!.bytes());
  expect(bytes(3)).toEqual(bytes(3));
  expect(bytes(3)).not.toEqual(bytes(4));
});
