/** Recovery of packages with fewer visual tokens: what is learned, what stays, and what is refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RecoverRequest } from '../../src/shared/model/token-recovery.ts';
import { renderRecovery } from '../../src/main/cli/render-recovery.ts';
import { serializeModel } from '../../src/main/engine/onnx/index.ts';
import { tokenMethod } from '../../src/main/engine/structures/tokens/registry.ts';
import { selectAfter } from '../../src/main/engine/structures/tokens/after.ts';
import { countConfigs } from '../../src/main/engine/structures/tokens/counts.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openSubject } from '../../src/main/pipeline/tokens/subject.ts';
import { KeptPositions } from '../../src/main/pipeline/tokens/kept-positions.ts';
import {
  recoverPackage,
  type RecoveredPackage,
  type RecoverOptions,
} from '../../src/main/pipeline/tokens/recover/recover-package.ts';
import { pruneDecoder } from '../../src/main/engine/structures/tokens/decoder/prune.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';
import { fusedDecoder, plainDecoder } from '../support/small-decoder.ts';
import { writeRecoverablePackage, TOKENS } from '../support/small-recoverable-package.ts';

const work = mkdtempSync(join(tmpdir(), 'secateur-recover-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const pictures = Array.from({ length: 24 }, (_, i) => join(work, `${i}.png`));
beforeAll(async () => {
  for (const [i, path] of pictures.entries()) {
    const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, k) => ((k + 7 * i) * (k + 3)) & 255);
    await sharp(data, { raw: { width: 16, height: 16, channels: 3 } })
      .png()
      .toFile(path);
  }
});

const ctx = { executor: plainExecutor, progress: () => undefined, log: () => undefined } as unknown as StageContext;
const by = (o: Partial<RecoverRequest> = {}): RecoverRequest => ({ seconds: 0.8, by: 'full', rank: 4, alpha: 8, ...o });

/** Advances with every look, so that a run has the same steps on any machine. */
let clock = 0;

/** With other weights, so that there is something to recover. */
function changedBy(model: Model, change: (x: number, i: number) => number): Model {
  for (const v of model.graph.initializers) {
    const t = v.initializer!;
    if (t.dtype === DType.FLOAT && t.dims.length === 2 && t.dims[0]! > 11)
      v.initializer = f32(toFloat32(t).map(change), t.dims); // prettier-ignore
  }
  return model;
}

/** The package with four tokens of sixteen, and one of its components without some of its weights. @param kept positions */
async function reducedOf(folder: string, by: RecoverRequest['by'], kept = false) {
  const subject = await openSubject(folder, {}, plainExecutor);
  const changed = countConfigs(subject.pkg.shape.configs, { from: TOKENS, to: 4 });
  if ('refused' in changed) throw new Error(changed.refused);
  const encoder = selectAfter(subject.model, subject.place, tokenMethod('stride')!, 4, { places: kept });
  const moved = kept ? new KeptPositions(subject).models(4) : new Map<string, Model>();
  if ('refused' in moved) throw new Error(moved.refused);
  const decoder = moved.get('decoder_model_merged') ?? openModelFile(join(folder, 'onnx/decoder_model_merged.onnx'));
  const models = new Map([
    ...moved,
    [subject.encoder.id, by === 'projector' ? changedBy(encoder, (x) => -x) : encoder],
    ['decoder_model_merged', by === 'projector' ? decoder : thinned(decoder)],
  ]);
  return { pkg: subject.pkg, models, configs: changed.configs };
}

async function recovered(
  folder: string,
  recover: RecoverRequest,
  given?: RecoverOptions['reduced'],
): Promise<RecoveredPackage> {
  const { pkg, models, configs } = await reducedOf(folder, recover.by);
  return recoverPackage(
    {
      pkg,
      reduced: given ?? { models, configs },
      // Pictures change little in a decoder with random weights, so the projector needs more of them.
      questions: pictures
        .slice(0, recover.by === 'projector' ? 24 : 12)
        .flatMap((image) => ['abc', 'hd'].map((prompt) => ({ image, prompt }))),
      tokens: 4,
      recover,
      provider: 'cpu',
      threads: 1,
      now: () => (clock += 3),
    },
    ctx,
  );
}

const thinned = (model: Model): Model => changedBy(model, (x, i) => (i % 5 === 0 ? 0 : x));

const weightsOf = (model: Model): Map<string, string> =>
  new Map([...model.graph.initializers].map((v) => [v.name, Buffer.from(v.initializer!.bytes()).toString('base64')]));
const operators = (model: Model): string => [...model.graph.nodes()].map((n) => n.key).join();

describe('a package', () => {
  it.each([
    ['full', 'plain', () => plainDecoder({ layers: 2 })],
    ['lora', 'fused', () => fusedDecoder({ layers: 2 })],
    ['projector', 'fused for the projector', () => fusedDecoder({ layers: 1 })],
  ] as const)('learns by %s in a decoder that is %s, judged by unseen pictures', async (way, name, decoder) => {
    const folder = writeRecoverablePackage(join(work, name), decoder());
    const { report, models } = await recovered(folder, by({ by: way }));
    expect(report).toMatchObject({ by: way, kept: true });
    expect(report.questions).toEqual(way === 'projector' ? { train: 34, choose: 4, judge: 10 } : { train: 18, choose: 2, judge: 4 }); // prettier-ignore
    expect(report.after!.kl).toBeLessThan(0.95 * report.before.kl);
    const [[id, model]] = [...models] as [[string, Model]];
    expect(id).toBe(way === 'projector' ? 'vision_encoder' : 'decoder_model_merged');
    const old = (await reducedOf(folder, way)).models.get(id)!;
    expect(operators(model)).toBe(operators(old));
    expect(serializeModel(model).length).toBe(serializeModel(old).length);
    // Matrices change, everything else stays bit by bit.
    const [before, after] = [weightsOf(old), weightsOf(model)];
    const changed = [...old.graph.initializers].filter((v) => before.get(v.name) !== after.get(v.name));
    expect(changed.length).toBeGreaterThanOrEqual(way === 'projector' ? 1 : 5);
    expect(changed.every((v) => v.initializer!.dims.length === 2)).toBe(true);
    expect([...before.keys()]).toEqual([...after.keys()]);
  });

  it('learns in a decoder that drops tokens by the last one', async () => {
    const whole = plainDecoder({ layers: 3 });
    const cut = pruneDecoder(whole, [{ layer: 1, keep: { count: 2 }, criterion: 'fastv' }], {
      route: { route: 'input' },
    });
    const folder = writeRecoverablePackage(join(work, 'cut'), whole);
    const { report, models } = await recovered(folder, by(), {
      models: new Map([['decoder_model_merged', thinned(cut)]]),
      configs: {},
    });
    expect(report).toMatchObject({ kept: true, batch: 1 });
    expect(report.after!.kl).toBeLessThan(0.95 * report.before.kl);
    expect(operators(models.get('decoder_model_merged')!)).toBe(operators(cut));
  });

  it.each([
    ['full', 'plain', () => plainDecoder({ layers: 2 })],
    ['lora', 'fused', () => fusedDecoder({ layers: 2 })],
    ['projector', 'fused for the projector', () => fusedDecoder({ layers: 1 })],
  ] as const)('keeps positions while it learns by %s in a decoder that is %s', async (way, name, decoder) => {
    const folder = writeRecoverablePackage(join(work, `kept ${name}`), decoder());
    const reduced = await reducedOf(folder, way, true);
    const { report, models } = await recovered(folder, by({ by: way }), reduced);
    expect(report.kept).toBe(true);
    expect(report.after!.kl).toBeLessThan(0.95 * report.before.kl);
    // The operators that move tokens stay, in the component that is trained as well.
    const [[id, model]] = [...models] as [[string, Model]];
    expect(operators(model)).toBe(operators(reduced.models.get(id)!));
  });

  it('keeps its weights where training gains nothing', async () => {
    const folder = writeRecoverablePackage(join(work, 'unchanged'), plainDecoder({ layers: 1 }));
    const { report, models } = await recovered(folder, by({ seconds: 0 }));
    expect(report).toMatchObject({ kept: false, after: null, steps: 0 });
    expect(models.size).toBe(0);
    expect(renderRecovery(report)).toMatch(/NOT KEPT: training found nothing better/);
  });

  it.each<[string, () => Model, string, RegExp]>([
    ['a decoder that is not causal', () => unordered(), 'recover-refused', /at once than token by token/],
  ])('refuses %s', async (name, decoder, code, message) => {
    const folder = writeRecoverablePackage(join(work, name), decoder());
    const error = await recovered(folder, by()).then(() => null, (e: unknown) => e as { code: string; message: string }); // prettier-ignore
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(message);
  });
});

/** A decoder whose tokens see those behind them. */
function unordered(): Model {
  const model = plainDecoder({ layers: 1 });
  const compare = [...model.graph.nodes()].find((n) => n.key === 'LessOrEqual')!;
  compare.setInput(0, compare.input(1));
  return model;
}
