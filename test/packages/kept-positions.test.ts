/**
 * Packages in layouts of exporters whose selected tokens keep their positions: tiles, and embeddings that merge features.
 * They give the logits of the original with all tokens, of which attention does not see the dropped ones.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { KEPT, selectAfter } from '../../src/main/engine/structures/tokens/after.ts';
import { tokenMethod } from '../../src/main/engine/structures/tokens/registry.ts';
import { openRunner } from '../../src/main/pipeline/prepare/open-runner.ts';
import { KeptPositions } from '../../src/main/pipeline/tokens/kept-positions.ts';
import { recorderOf } from '../../src/main/pipeline/tokens/recover/recorder.ts';
import { openSubject } from '../../src/main/pipeline/tokens/subject.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';
import { plainExecutor } from '../support/executor.ts';

const packages = resolve(import.meta.dirname, '../../../shared/packages');
const LAYOUTS = ['smolvlm-decomposed', 'llava-decomposed', 'llava-siglip-mobius'];
const names = LAYOUTS.filter((n) => existsSync(join(packages, n)));
const work = mkdtempSync(join(tmpdir(), 'secateur-kept-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
/** Wide: with tiles, fewer than a square picture has. */
const image = join(work, 'picture.png');
beforeAll(async () => {
  const data = Uint8Array.from({ length: 160 * 80 * 3 }, (_, i) => (i * i) % 251);
  await sharp(data, { raw: { width: 160, height: 80, channels: 3 } })
    .png()
    .toFile(image);
});

it.each(names)('%s: equals the original that sees the tokens that stay', async (name) => {
  const subject = await openSubject(join(packages, name), {}, plainExecutor);
  const { pkg } = subject;
  const { model: encoder, place } = subject;
  const others = new KeptPositions(subject).models(5);
  if ('refused' in others) throw new Error(others.refused);
  const vision = (o: { readonly report?: boolean; readonly places?: boolean }): [string, Model] => [
    subject.encoder.id,
    selectAfter(encoder, place, tokenMethod('dpp')!, 5, o),
  ];
  const prompt = { image, prompt: 'Where is the red disc?' };

  const reporting = openRunner(pkg, { executor: plainExecutor, replaced: new Map([vision({ report: true })]) });
  const kept = Array.from((await reporting.encodeImage(image)).outputs[KEPT]!.data as BigInt64Array, Number);
  await reporting.close();

  const decoder = pkg.shape.components.find((c) => c.role === 'decoder')!;
  const model = openModelFile(pkg.fileOf(decoder.id));
  const recorder = recorderOf(plainExecutor, model);
  const recorded = openRunner(pkg, { executor: recorder.executor, replaced: new Map([[decoder.id, model]]) });
  const { feeds, isImage } = await recorder.feeds(recorded, prompt, []);
  await recorded.close();
  const { count } = place;
  let at = 0;
  const visible = isImage.map((is) => {
    if (!is) return true;
    const [tile, token] = [Math.floor(at / count), at++ % count];
    return kept.slice(5 * tile, 5 * tile + 5).includes(token);
  });
  const mask: HostTensor = { dtype: DType.INT64, dims: [1, visible.length], data: BigInt64Array.from(visible, BigInt) };
  const session = await plainExecutor.open(model);
  const last = async (attention_mask: HostTensor): Promise<Float32Array> => {
    const { logits } = await session.run({ ...feeds, attention_mask });
    return (logits!.data as Float32Array).slice(-logits!.dims.at(-1)!);
  };
  const [want, whole] = [await last(mask), await last(feeds['attention_mask']!)];
  await session.release();

  const runner = openRunner(pkg, { executor: plainExecutor, replaced: new Map([...others, vision({ places: true })]) });
  const { data: got } = await runner.prefillLogits(prompt);
  await runner.close();
  const gap = (a: Float32Array, b: Float32Array): number =>
    a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
  const own = got.slice(-want.length);
  expect(gap(own, want)).toBeLessThan(1e-4);
  expect(gap(own, want)).toBeLessThan(gap(whole, want) / 10);
});

it.skipIf(names.length > 0)('skipped: ../shared/packages is not here', () => undefined);
