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
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32, toFloat32 } from '../../src/main/engine/ir/tensor.ts';
import type { StageContext } from '../../src/main/pipeline/context.ts';
import { openSubject } from '../../src/main/pipeline/tokens/subject.ts';
import { recoverPackage, type RecoveredPackage } from '../../src/main/pipeline/tokens/recover/recover-package.ts';
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

async function reducedOf(folder: string, damaged = false) {
  const subject = await openSubject(folder, {}, plainExecutor);
  const changed = countConfigs(subject.pkg.shape.configs, { from: TOKENS, to: 4 });
  if ('refused' in changed) throw new Error(changed.refused);
  const encoder = selectAfter(subject.model, subject.place, tokenMethod('stride')!, 4);
  // A projector with other weights is a loss that training of the projector can make good.
  const last = [...encoder.graph.initializers].find((v) => v.initializer!.dims.length === 2)!;
  if (damaged) last.initializer = f32(toFloat32(last.initializer!).map((x) => -x), last.initializer!.dims); // prettier-ignore
  return { subject, changed, encoder };
}

async function recovered(folder: string, recover: RecoverRequest, prompts = ['abc', 'hd']): Promise<RecoveredPackage> {
  const { subject, changed, encoder } = await reducedOf(folder, recover.by === 'projector');
  return recoverPackage(
    {
      pkg: subject.pkg,
      reduced: { models: new Map([[subject.encoder.id, encoder]]), configs: changed.configs },
      questions: pictures.flatMap((image) => prompts.map((prompt) => ({ image, prompt }))),
      tokens: 4,
      recover,
      provider: 'cpu',
      threads: 1,
      now: () => (clock += 1),
    },
    ctx,
  );
}

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
    expect(report).toMatchObject({ by: way, kept: true, questions: { train: 34, choose: 4, judge: 10 } });
    expect(report.after!.kl).toBeLessThan(0.95 * report.before.kl);
    const [[id, model]] = [...models] as [[string, Model]];
    expect(id).toBe(way === 'projector' ? 'vision_encoder' : 'decoder_model_merged');
    const old =
      way === 'projector' ? (await reducedOf(folder, true)).encoder : openModelFile(join(folder, `onnx/${id}.onnx`));
    expect(operators(model)).toBe(operators(old));
    expect(serializeModel(model).length).toBe(serializeModel(old).length);
    // Matrices change, everything else stays bit by bit.
    const [before, after] = [weightsOf(old), weightsOf(model)];
    const changed = [...old.graph.initializers].filter((v) => before.get(v.name) !== after.get(v.name));
    expect(changed.length).toBeGreaterThanOrEqual(way === 'projector' ? 1 : 5);
    expect(changed.every((v) => v.initializer!.dims.length === 2)).toBe(true);
    expect([...before.keys()]).toEqual([...after.keys()]);
  });

  it('keeps its weights where training gains nothing', async () => {
    const folder = writeRecoverablePackage(join(work, 'unchanged'), plainDecoder({ layers: 1 }));
    const { report, models } = await recovered(folder, by({ seconds: 0 }));
    expect(report).toMatchObject({ kept: false, after: null, steps: 0 });
    expect(models.size).toBe(0);
    expect(renderRecovery(report)).toMatch(/NOT KEPT: training found nothing better/);
  });

  it.each<[string, () => Model, string[], string, RegExp]>([
    ['a decoder that is not causal', () => unordered(), ['abc'], 'recover-refused', /at once than token by token/],
  ])('refuses %s', async (name, decoder, prompts, code, message) => {
    const folder = writeRecoverablePackage(join(work, name), decoder());
    const error = await recovered(folder, by(), prompts).then(() => null, (e: unknown) => e as { code: string; message: string }); // prettier-ignore
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
