// The vision-language sample: trains its encoder on the labels of patches, then the whole network on
// questions, and exports it. A run that ends early resumes from its checkpoint (`--state DIR`).
import { mkdirSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Trainer } from '../../src/main/engine/autodiff/index.ts';
import type { HostTensor } from '../../src/main/engine/executor.ts';
import type { FactsLookup } from '../../src/main/engine/autodiff/shapes.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { largest } from '../../src/main/engine/sample/vlm/answer.ts';
import {
  PATCH_LABELS,
  packedBatch,
  patchBatch,
  type Curriculum,
  type PackedBatch,
} from '../../src/main/engine/sample/vlm/batches.ts';
import { THINGS } from '../../src/main/engine/sample/vlm/pictures.ts';
import { QUESTION_TYPES } from '../../src/main/engine/sample/vlm/questions.ts';
import { VLM_SIZES, initialWeights, type Weights } from '../../src/main/engine/sample/vlm/sizes.ts';
import { buildVlmStep } from '../../src/main/engine/sample/vlm/step.ts';
import { buildPackedModel, buildPatchModel, labelParts } from '../../src/main/engine/sample/vlm/training.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { exportVlm, readVlmWeights } from './vlm-export.ts';
import { evaluateVlm } from './vlm-evaluate.ts';
import { readVlmLog, writeVlmLog, type VlmEntry, type VlmStage } from './vlm-log.ts';

const SETTINGS = {
  seed: 11,
  /** Steps on the labels of patches, with their pictures per step and highest learning rate. */
  patchSteps: 420,
  patchPictures: 16,
  patchRate: 0.003,
  /** Steps on questions. */
  steps: 3000,
  /** Until these steps, pictures show one or two things, then two to four. A thing is found sooner among few. */
  fewUntil: 250,
  someUntil: 600,
  /** From this step on, more questions ask where a thing is. */
  whereFrom: 600,
  whereShare: 0.45,
  pictures: 8,
  questions: 16,
  tokens: 7,
  rate: 0.0016,
  warmup: 100,
  /** Share of the steps at whose beginning the learning rate starts to fall, linearly to 0. */
  decayFrom: 0.8,
  weightDecay: 0.02,
  clipNorm: 1,
  /** Questions that the exported files are judged by. */
  testQuestions: 2000,
};
type Settings = typeof SETTINGS;

/** Seeds of the pictures for the encoder alone, and for questions. Tests use others. */
const PATCH_SEED = 30_001;
const QUESTION_SEED = 30_002;
export const VLM_TEST_SEED = 30_003;

const REPORT = 25;

/**
 * `--steps N` and `--patch-steps N` change the lengths, also of a run that resumes; `--state DIR` is where the
 * checkpoints lie; `--from FOLDER` continues with the weights of an exported package, on questions;
 * `--notes TEXT` goes into the log.
 */
export async function trainSampleVlm(option: (name: string) => string | undefined): Promise<void> {
  const s: Settings = {
    ...SETTINGS,
    steps: Number(option('--steps') ?? SETTINGS.steps),
    patchSteps: Number(option('--patch-steps') ?? SETTINGS.patchSteps),
    testQuestions: Number(option('--questions') ?? SETTINGS.testQuestions),
  };
  const threads = Math.min(availableParallelism(), Number(option('--threads') ?? 2));
  const out = resolve(option('--out') ?? 'resources/samples');
  const state = resolve(option('--state') ?? join(tmpdir(), 'secateur-sample-vlm'));
  mkdirSync(state, { recursive: true });

  const from = option('--from');
  const before: VlmStage[] = [];
  let weights = withReader(from === undefined ? initialWeights(VLM_SIZES, s.seed) : readVlmWeights(resolve(from)));
  if (from === undefined) {
    const patches = await runStage({ name: 'patches', s, threads, state, weights, total: s.patchSteps, rate: s.patchRate }); // prettier-ignore
    weights = patches.weights;
    before.push(patches.log);
  } else before.push(...readVlmLog(resolve(from)).stages);
  const asked = await runStage({ name: 'questions', s, threads, state, weights, total: s.steps, rate: s.rate });

  const notes = option('--notes');
  const bytes = exportVlm(asked.weights, out);
  const results = await evaluateVlm(join(out, 'scenes-vlm'), { seed: VLM_TEST_SEED, count: s.testQuestions, threads });
  writeVlmLog(join(out, 'scenes-vlm'), {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? 'unknown',
    threads,
    settings: s,
    sizes: VLM_SIZES,
    bytes,
    parameters: parametersOf(asked.weights),
    stages: [...before, asked.log],
    ...(notes !== undefined && { notes }),
    testSeed: VLM_TEST_SEED,
    results,
  });
}

/** Without the layer that reads labels of patches. */
const parametersOf = (weights: Weights): number =>
  [...weights].reduce((n, [name, t]) => n + (name.startsWith('reader') ? 0 : t.byteLength / 4), 0);

interface StageOptions {
  readonly name: 'patches' | 'questions';
  readonly s: Settings;
  readonly threads: number;
  readonly state: string;
  readonly weights: Weights;
  readonly total: number;
  readonly rate: number;
}

/** The linear layer that reads labels of patches, used only while the encoder is trained alone. */
function withReader(weights: Weights): Weights {
  const [from, to] = [VLM_SIZES.stem.at(-1)!, labelParts(PATCH_LABELS).reduce((a, b) => a + b, 0)];
  const random = seededRandom(1);
  const matrix = Float32Array.from({ length: from * to }, () => random.normal() / Math.sqrt(from));
  return new Map([...weights, ['reader.weight', f32(matrix, [from, to])], ['reader.bias', f32(new Float32Array(to), [to])]]); // prettier-ignore
}

/** Linear warm-up, constant, then linear to 0. */
function rateAt(step: number, total: number, s: Settings, peak: number): number {
  const from = s.decayFrom * total;
  return peak * Math.min(1, (step + 1) / s.warmup, (total - step) / Math.max(1, total - from));
}

const curriculumAt = (step: number, s: Settings): Curriculum => ({
  ...(step < s.fewUntil ? { things: [1, 2] } : step < s.someUntil ? { things: [2, 4] } : {}),
  ...(step >= s.whereFrom && { whereShare: s.whereShare }),
});

async function runStage(o: StageOptions): Promise<{ weights: Weights; log: VlmStage }> {
  const { name, s, total } = o;
  const file = join(o.state, `${name}.bin`);
  const saved = loadCheckpoint(file);
  let seconds = saved?.seconds ?? 0;
  const entries: VlmEntry[] = [...((saved?.entries as VlmEntry[] | undefined) ?? [])];
  if (saved && saved.trainer.count >= total && saved.weights) return { weights: saved.weights, log: { name, seconds, entries } }; // prettier-ignore

  const model =
    name === 'patches'
      ? buildPatchModel(VLM_SIZES, o.weights, s.patchPictures, PATCH_LABELS)
      : buildPackedModel(VLM_SIZES, o.weights, s);
  const step = buildVlmStep(model, await factsOf(model), s);
  const trainer = await Trainer.open(createExecutor(), step, { threads: o.threads });
  if (saved && trainer.resume(saved.trainer)) console.log(`${name}: resumed at step ${trainer.count}`);
  const current = (): Weights => {
    const trained = trainer.parameters();
    return new Map([...o.weights].map(([k, t]) => [k, trained.has(k) ? f32(trained.get(k)!, t.dims) : t]));
  };
  const save = (): void => saveCheckpoint(file, { trainer: trainer.suspend(), weights: current(), seconds, entries });

  let sum = 0;
  let tally = new Tally();
  let lastSave = performance.now();
  while (trainer.count < total) {
    const t = trainer.count;
    const began = performance.now();
    const rate = rateAt(t, total, s, o.rate);
    let loss: number;
    if (name === 'patches') {
      const { pixels, targets } = patchBatch(VLM_SIZES, s.patchPictures, PATCH_SEED, t);
      const result = await trainer.step({ pixel_values: pixels, targets }, rate);
      loss = result.loss;
      tally.addPatches(result.extras['logits']!, targets);
    } else {
      const batch = packedBatch(VLM_SIZES, s, QUESTION_SEED, t, curriculumAt(t, s));
      const result = await trainer.step({ ...batch.feeds, targets: batch.targets }, rate);
      loss = result.loss;
      tally.addQuestions(result.extras['logits']!, batch);
    }
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss} at step ${t}`);
    sum += loss;
    seconds += (performance.now() - began) / 1000;
    if (trainer.count % REPORT === 0 || trainer.count === total) {
      const entry = { step: trainer.count, loss: sum / tally.steps, rate, seconds: Math.round(seconds), accuracy: tally.shares(), ...(name === 'questions' && { things: curriculumAt(t, s).things ?? THINGS }) }; // prettier-ignore
      entries.push(entry);
      console.log(`${name} ${entry.step}/${total}  loss ${entry.loss.toFixed(4)}  ${entry.seconds} s  ${shown(entry.accuracy)}`); // prettier-ignore
      sum = 0;
      tally = new Tally();
    }
    if (performance.now() - lastSave > 120_000 || trainer.count === total) {
      save();
      lastSave = performance.now();
    }
  }
  const weights = current();
  await trainer.release();
  return { weights, log: { name, seconds, entries } };
}

/** Facts at the fixed sizes of the model; any inputs serve. */
async function factsOf(model: Model): Promise<FactsLookup> {
  const facts = await collectFacts(model, createExecutor());
  return (v) => facts.get(v);
}

/** Shares of right answers since the last report. Every picture is new, so they are those on unseen pictures. */
class Tally {
  steps = 0;
  readonly #hits = new Map<string, number>();
  readonly #all = new Map<string, number>();

  #add(kind: string, hit: boolean): void {
    this.#all.set(kind, (this.#all.get(kind) ?? 0) + 1);
    this.#hits.set(kind, (this.#hits.get(kind) ?? 0) + Number(hit));
  }

  /** An answer is right when each token is the most likely one behind the right ones before it. */
  addQuestions(logits: HostTensor, batch: PackedBatch): void {
    this.steps++;
    const width = logits.dims[2]!;
    const data = logits.data as Float32Array;
    batch.questions.forEach((q, i) => {
      const right = batch.expected[i]!.every(({ row, token }) => largest(data.subarray(row * width, (row + 1) * width)) === token); // prettier-ignore
      this.#add(q.type, right);
    });
  }

  /** Labels of patches that show a thing. */
  addPatches(logits: HostTensor, targets: HostTensor): void {
    this.steps++;
    const parts = labelParts(PATCH_LABELS);
    const width = logits.dims[2]!;
    const [data, wanted] = [logits.data as Float32Array, targets.data as Float32Array];
    for (let at = 0; at < data.length; at += width) {
      if (wanted[at]! > 0) continue;
      let offset = at;
      ['colour', 'shape', 'row', 'column'].forEach((kind, i) => {
        const end = offset + parts[i]!;
        this.#add(kind, largest(data.subarray(offset, end)) === largest(wanted.subarray(offset, end)));
        offset = end;
      });
    }
  }

  shares(): Record<string, number> {
    return Object.fromEntries([...this.#all].map(([kind, n]) => [kind, Math.round((1000 * this.#hits.get(kind)!) / n) / 1000])); // prettier-ignore
  }
}

const shown = (accuracy: Record<string, number>): string => {
  const order = (k: string): number => (QUESTION_TYPES as readonly string[]).indexOf(k);
  return Object.entries(accuracy)
    .sort(([a], [b]) => order(a) - order(b))
    .map(([k, v]) => `${k} ${(100 * v).toFixed(0)}%`)
    .join('  ');
};
