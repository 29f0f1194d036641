/** A model with fewer tokens equals the same model with the other tokens hidden, for every method and place. */
import { describe, expect, it } from 'vitest';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { cutTokens } from '../../src/main/engine/structures/tokens/cut.ts';
import { hideTokens } from '../../src/main/engine/structures/tokens/hide.ts';
import { findTokenPlaces, type TokenPlaces } from '../../src/main/engine/structures/tokens/places.ts';
import { TOKEN_METHODS } from '../../src/main/engine/structures/tokens/registry.ts';
import { unmet } from '../../src/main/engine/structures/tokens/schedule.ts';
import type { TokenSchedule } from '../../src/shared/model/types.ts';
import { difference, feedsFor, prepare, runOnce, type Prepared } from '../support/prune.ts';
import { buildTransformer, type TransformerOptions } from '../support/transformer.ts';

const TOLERANCE = 1e-5;

async function open(o: TransformerOptions): Promise<Prepared & TokenPlaces> {
  const p = await prepare(buildTransformer(o));
  const outputs = o.output === 'tokens' ? new Set(p.model.graph.outputs) : undefined;
  return { ...p, ...findTokenPlaces(p.model, p.facts, outputs) };
}

/** The rows of a token output that the masked model shows. */
function shownRows({ tokens, tokens_index: index, ...others }: Record<string, HostTensor>): Record<string, HostTensor> {
  if (!tokens) return others;
  const width = tokens.dims[2]!;
  const at = [...(index!.data as BigInt64Array)].map(Number);
  const data = Float32Array.from(
    at.flatMap((i) => [...(tokens.data as Float32Array).slice(i * width, (i + 1) * width)]),
  );
  return { ...others, tokens: { ...tokens, dims: [1, at.length, width], data } };
}

async function compare(p: Prepared & TokenPlaces, schedule: TokenSchedule) {
  const feeds = feedsFor(p);
  const whole = await runOnce(p.model, feeds);
  const cut = await runOnce(cutTokens(p, schedule), feeds);
  const hidden = shownRows(await runOnce(hideTokens(p, schedule), feeds));
  const sameSize = Object.keys(whole).every((k) => whole[k]!.dims.join() === cut[k]!.dims.join());
  return { error: difference(cut, hidden), effect: sameSize ? difference(cut, whole) : 1, cut };
}

const networks: Record<string, TransformerOptions> = {
  'class token': { output: 'class' },
  mean: { output: 'mean' },
  'tokens as output': { output: 'tokens' },
};

describe.each(Object.entries(networks))('%s', (_name, o) => {
  it.each(TOKEN_METHODS.map((m) => [m.name, m] as const))(
    '%s: cut equals hidden at every place',
    async (_n, method) => {
      const p = await open(o);
      expect(p.places.length).toBeGreaterThanOrEqual(3);
      let compared = 0;
      for (const place of p.places) {
        if (unmet(method, place).length > 0) continue;
        const { count, fixed } = place;
        const levels = method.levels?.({ count, fixed, grid: [4, 4] }) ?? [1, 7, count - fixed - 1];
        for (const keep of levels.filter((n) => n < count - fixed)) {
          const schedule = { method: method.name, seed: 3, steps: [{ place: place.name, keep }] };
          const { error, effect } = await compare(p, schedule);
          expect(error, `${place.name} keep ${keep}`).toBeLessThan(TOLERANCE);
          expect(effect, `${place.name} keep ${keep}`).toBeGreaterThan(1e-6);
          compared++;
        }
      }
      if (!method.needs.includes('sizes')) expect(compared).toBeGreaterThan(0);
    },
  );

  it('reduces in several steps', async () => {
    const p = await open(o);
    for (const method of TOKEN_METHODS.filter((m) => !m.levels && !m.needs.includes('grid'))) {
      const places = p.places.filter((place) => unmet(method, place).length === 0);
      if (places.length < 2) continue;
      const steps = places.map(({ name }, i) => ({ place: name, keep: 11 - 3 * i }));
      const { error } = await compare(p, { method: method.name, seed: 1, steps });
      expect(error, method.name).toBeLessThan(TOLERANCE);
    }
  });

  it('keeps the model bit for bit where every token stays', async () => {
    const p = await open(o);
    const { name, count, fixed } = p.places[0]!;
    const feeds = feedsFor(p);
    const steps = [{ place: name, keep: count - fixed }];
    const same = await runOnce(cutTokens(p, { method: 'stride', seed: 1, steps }), feeds);
    expect(difference(same, await runOnce(p.model, feeds))).toBe(0);
  });
});

it('treats every sample of a batch alone', async () => {
  const model = buildTransformer({ batch: 'batch' });
  const p = await prepare(model);
  const { places } = findTokenPlaces(p.model, p.facts);
  for (const method of ['tome', 'dpp', 'stride']) {
    const cut = cutTokens({ ...p, places }, { method, seed: 1, steps: [{ place: places[1]!.name, keep: 6 }] });
    const { data } = feedsFor({ model: p.model, facts: p.facts })['image']!;
    const one = data.length;
    const three = Float32Array.from(
      { length: 3 * one },
      (_, i) => Math.sin(i * 0.37) + (data as Float32Array)[i % one]!,
    );
    const image = (from: number, n: number): HostTensor => ({
      dtype: 1,
      dims: [n, 3, 16, 16],
      data: three.slice(from * one, (from + n) * one),
    });
    const { logits } = await runOnce(cut, { image: image(0, 3) });
    for (let i = 0; i < 3; i++) {
      const { logits: alone } = await runOnce(cut, { image: image(i, 1) });
      [...(alone!.data as Float32Array)].forEach((x, k) => expect(Number(logits!.data[5 * i + k])).toBeCloseTo(x, 5));
    }
  }
});

describe('places', () => {
  const found = async (o: TransformerOptions): Promise<TokenPlaces> => {
    const { model, facts }: { model: Model } & Prepared = await prepare(buildTransformer(o));
    return findTokenPlaces(model, facts, o.output === 'tokens' ? new Set(model.graph.outputs) : undefined);
  };
  it('are the embedding and one behind each layer but the last', async () => {
    const { places, layers } = await found({});
    expect(layers).toBe(3);
    expect(places.map((p) => [p.layer, p.count, p.fixed, p.attention !== undefined])).toEqual([
      [0, 17, 1, false],
      [1, 17, 1, true],
      [2, 17, 1, true],
    ]);
  });
  it('are refused where every layer has a table of positions', async () => {
    const { places, refused } = await found({ tables: true, layers: 4 });
    expect(places).toEqual([]);
    expect(refused!.reason).toContain('table');
  });
  it('are refused before a pixel shuffle', async () => {
    const { places, refused } = await found({ shuffle: true, output: 'tokens' });
    expect(places).toEqual([]);
    expect(refused!.reason).toContain('merge tokens');
  });
  it('are refused where the output has one row per token, unless it may be shorter', async () => {
    const { model, facts } = await prepare(buildTransformer({ output: 'tokens' }));
    expect(findTokenPlaces(model, facts).refused?.reason).toBe('model output tokens');
  });
});
