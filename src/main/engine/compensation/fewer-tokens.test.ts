/** Fits behind a cut of tokens: exact where the original's values can be reached, better on unseen samples elsewhere. */
import { describe, expect, it } from 'vitest';
import { plainExecutor } from '../../../../test/support/executor.ts';
import { difference, prepare, runOnce } from '../../../../test/support/prune.ts';
import { buildTransformer, type TransformerOptions } from '../../../../test/support/transformer.ts';
import type { HostTensor } from '../executor.ts';
import type { Model } from '../ir/model.ts';
import { seededRandom } from '../random.ts';
import { f32, toFloat32 } from '../ir/tensor.ts';
import { eliminateDead } from '../passes/eliminate-dead.ts';
import { traceCut } from '../structures/tokens/cut.ts';
import { findTokenPlaces } from '../structures/tokens/places.ts';
import { fitFewerTokens } from './fewer-tokens.ts';

const BATCH = 32;

/** Pictures with a pattern, so that tokens say something about each other. */
function pictures(seed: number): Record<string, HostTensor> {
  const random = seededRandom(seed);
  const data = new Float32Array(BATCH * 3 * 16 * 16);
  for (let i = 0; i < BATCH; i++) {
    const [fx, fy, at] = [random.next(), random.next(), random.next() * 6];
    for (let c = 0; c < 3; c++)
      for (let y = 0; y < 16; y++)
        for (let x = 0; x < 16; x++) data[((i * 3 + c) * 16 + y) * 16 + x] = Math.sin(fx * x + fy * y + at + c);
  }
  return { image: { dtype: 1, dims: [BATCH, 3, 16, 16], data } };
}

function weightOf(model: Model, name: string) {
  const node = [...model.graph.nodes()].find((n) => n.name === name)!;
  return { node, initializer: node.input(1)!.initializer! };
}

async function open(o: TransformerOptions) {
  const p = await prepare(buildTransformer({ ...o, batch: 'batch' }));
  return { ...p, ...findTokenPlaces(p.model, p.facts) };
}

const batches = [1, 2, 3, 4, 5, 6].map(pictures);

describe('up to the next attention', () => {
  // The rest of the layer treats tokens one by one, so the original's values can be reached exactly.
  it.each(['stride', 'divprune'])('%s: finds spoilt weights again', async (method) => {
    const p = await open({ output: 'class' });
    const last = p.places.at(-1)!;
    const cut = traceCut(p, { method, seed: 1, steps: [{ place: last.name, keep: 5 }] });
    const { initializer: spoilt, node } = weightOf(cut.model, 'layer1.down');
    const right = toFloat32(spoilt);
    const wrong = right.map((w, i) => w + 0.3 * Math.sin(i));
    node.input(1)!.initializer = f32(wrong, spoilt.dims);
    const [[first] = []] = await fitFewerTokens(plainExecutor, p.model, [{ cut, way: { ridge: 1e-9 } }], batches, { threads: 1, fixed: 1 }); // prettier-ignore
    expect(first).toMatchObject({ node: 'layer1.down' });
    expect(first!.error).toBeLessThan(1e-6);
    const found = toFloat32(weightOf(cut.model, 'layer1.down').initializer);
    expect(Math.max(...found.map((w, i) => Math.abs(w - right[i]!)))).toBeLessThan(0.02);
  });
});

// Methods that merge tokens do not read their index.
it.each(['pool', 'evit', 'tome', 'dpp'])('fits behind tokens of %s', async (method) => {
  const p = await open({ output: 'mean' });
  const cut = traceCut(p, { method, seed: 1, steps: [{ place: p.places[1]!.name, keep: method === 'tome' ? 9 : 4 }] });
  const [fits] = await fitFewerTokens(plainExecutor, p.model, [{ cut, way: {} }], batches, { threads: 1, fixed: p.places[0]!.fixed }); // prettier-ignore
  expect(fits!.length).toBeGreaterThan(0);
  const out = await runOnce(cut.model, pictures(77));
  expect(Object.keys(out)).toEqual(p.model.graph.outputs.map((v) => v.name));
  eliminateDead.run(cut.model);
  expect(difference(await runOnce(cut.model, pictures(77)), out)).toBe(0);
});

describe.each(['class', 'mean'] as const)('output %s', (output) => {
  it.each([
    ['one step', [0], [6]],
    ['two steps', [1, 2], [9, 4]],
  ] as const)('%s: unseen outputs come nearer to the original', async (_name, at, keep) => {
    const p = await open({ output });
    const steps = at.map((i, k) => ({ place: p.places[i]!.name, keep: keep[k]! }));
    const cut = traceCut(p, { method: 'stride', seed: 1, steps });
    const unseen = pictures(77);
    const whole = await runOnce(p.model, unseen);
    const before = difference(await runOnce(cut.model, unseen), whole);
    const { fixed } = p.places[0]!;
    const [fits] = await fitFewerTokens(plainExecutor, p.model, [{ cut, way: {} }], batches, { threads: 1, fixed });
    expect(fits!.length).toBeGreaterThanOrEqual(3);
    expect(difference(await runOnce(cut.model, unseen), whole)).toBeLessThan(0.8 * before);
  });
});

it('changes nothing where too few samples tell anything', async () => {
  const p = await open({ output: 'class' });
  const cut = traceCut(p, { method: 'stride', seed: 1, steps: [{ place: p.places[0]!.name, keep: 6 }] });
  const { image } = pictures(1);
  const few = { image: { ...image!, dims: [1, 3, 16, 16], data: (image!.data as Float32Array).slice(0, 768) } };
  expect(await fitFewerTokens(plainExecutor, p.model, [{ cut, way: {} }], [few], { threads: 1, fixed: 1 })).toEqual([
    [],
  ]);
});

it('gives the same weights for several ways together as for each alone', async () => {
  const p = await open({ output: 'class' });
  const steps = [0, 2].map((i, k) => ({ place: p.places[i]!.name, keep: [9, 4][k]! }));
  const tries = [
    { ridge: 0.01, fixedWeight: 0.2 },
    { ridge: 0.1, fixedWeight: 1 },
  ].map((way) => ({
    way,
    make: () => ({ way, cut: traceCut(p, { method: 'dpp', seed: 1, steps }) }),
  }));
  const o = { threads: 1, fixed: 1 };
  const together = tries.map(({ make }) => make());
  const fits = await fitFewerTokens(plainExecutor, p.model, together, batches, o);
  const weights = (model: Model) => [...model.graph.nodes()].flatMap((n) => n.inputs.flatMap((v) => (v?.initializer ? [toFloat32(v.initializer)] : []))); // prettier-ignore
  for (const [i, { make }] of tries.entries()) {
    const alone = make();
    expect(await fitFewerTokens(plainExecutor, p.model, [alone], batches, o)).toEqual([fits[i]]);
    expect(weights(together[i]!.cut.model)).toEqual(weights(alone.cut.model));
  }
  expect(fits[0]!.length).toBeGreaterThanOrEqual(3);
  expect(fits[0]).not.toEqual(fits[1]);
});
