/**
 * Recovery: the pruned model learns to give the original's outputs again (knowledge distillation, Hinton et al. 2015), with
 * gradients that the engine emits and the runtime executes. Keeps the best state on samples held out; ends at the time
 * limit, or earlier when the held-out figure has stopped improving.
 */
import { Trainer, writeParameters } from '../engine/autodiff/trainer.ts';
import { buildTrainStep, type LossContext } from '../engine/autodiff/train-step.ts';
import { crossEntropy, distillation, relativeSquaredError, weightedSum } from '../engine/autodiff/losses.ts';
import type { ExecSession, HostTensor } from '../engine/executor.ts';
import { cloneModel } from '../engine/ir/clone.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { Model } from '../engine/ir/model.ts';
import type { Value } from '../engine/ir/value.ts';
import { seededRandom } from '../engine/random.ts';
import { applyViews, drawView } from '../engine/recovery/augment.ts';
import { insertNormalization, normalizable } from '../engine/recovery/normalize.ts';
import { buildStatisticsModel, StatisticsAccumulator } from '../engine/pruning/statistics.ts';
import { eliminateDead, foldBatchNorm, runPasses } from '../engine/passes/index.ts';
import { cosine } from '../engine/recovery/schedule.ts';
import { outputView } from '../engine/quality/meter.ts';
import type { Recipe } from '../../shared/model/job.ts';
import type { Dataset } from '../data/dataset.ts';
import { collectFacts } from '../runtime/facts.ts';
import type { StageContext } from './context.ts';
import { dataInput } from './evaluate.ts';
import { reference } from './sensitivity.ts';

export interface RecoveryOptions {
  readonly recipe: Recipe['recovery'];
  readonly dataset: Dataset;
  /** Samples to learn from. */
  readonly train: readonly number[];
  /** Samples that decide which state is best. */
  readonly holdout: readonly number[];
  readonly seed: number;
  /** Processor threads; all cores by default. */
  readonly threads: number;
}

export interface Recovered {
  readonly model: Model;
  readonly steps: number;
  readonly epochs: number;
  readonly seconds: number;
  /** Distance to the original on the held-out samples: before, and of the state that was kept. */
  readonly before: number;
  readonly after: number;
  readonly curve: readonly {
    readonly seconds: number;
    readonly step: number;
    readonly loss: number;
    readonly holdout: number;
  }[];
}

const READS_WEIGHTS = new Set([
  'Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'BatchNormalization', 'InstanceNormalization', 'GroupNormalization',
  'LayerNormalization', 'PRelu',
]); // prettier-ignore

/** Float32 weights of linear and normalizing operators, running statistics left out. */
export function trainable(model: Model): Value[] {
  return [...model.graph.initializers].filter(
    (v) =>
      v.initializer?.dtype === DType.FLOAT &&
      v.uses().length > 0 &&
      v.uses().every(({ node, index }) => {
        if (node.key === 'BatchNormalization') return index === 1 || index === 2;
        if (READS_WEIGHTS.has(node.opType)) return index >= 1 || node.key === 'MatMul';
        // A bias that is added by a node of its own.
        return node.key === 'Add' && v.initializer!.dims.length > 0;
      }),
  );
}

/** @throws SecateurError 'gradient-unsupported' when an operator on the way has no gradient */
export async function recover(
  original: Model,
  pruned: Model,
  options: RecoveryOptions,
  ctx: StageContext,
): Promise<Recovered> {
  const { recipe, dataset, train, holdout, threads } = options;
  const input = dataInput(original);
  const batch = input.fixedBatch ? Math.max(1, input.dims[0]!) : Math.max(1, Math.min(recipe.batch, train.length));
  const model = await normalized(pruned, options, batch, input.name, ctx);
  const facts = await collectFacts(model, ctx.executor, { batch });
  const outputs = model.graph.outputs.filter((v) => facts.get(v)?.dtype === DType.FLOAT);
  const shapes = outputs.map((v) => facts.get(v)!.shape);
  const labelled = dataset.labels !== null && recipe.alpha < 1 && outputView(shapes[0]!).kind === 'classes';
  const step = buildTrainStep(model, {
    facts: (v) => facts.get(v),
    params: trainable(model),
    loss: (l) => lossOf(l, outputs, shapes, recipe, labelled),
    optimizer:
      recipe.optimizer === 'sgd'
        ? { kind: 'sgd', nesterov: true, weightDecay: 1e-4 }
        : { kind: 'adamw', weightDecay: 1e-4 },
    clipNorm: 5,
    ema: EMA,
    ...(batch >= STATISTICS_BATCH && { batchStatistics: { momentum: 0.9 } }),
  });
  const trainer = await Trainer.open(ctx.executor, step, { threads });
  const teacher = await ctx.executor.open(original, { threads });
  const random = seededRandom(options.seed);
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const held = await heldOut(dataset, holdout, batch, input.name, teacher);
  const curve: { seconds: number; step: number; loss: number; holdout: number }[] = [];
  try {
    const judge = async (weights: ReadonlyMap<string, Float32Array>): Promise<number> => {
      const candidate = cloneModel(model).model;
      writeParameters(candidate, weights);
      const session = await ctx.executor.open(candidate, { threads });
      try {
        let sum = 0;
        for (const h of held) sum += h.distance(await session.run({ [input.name]: h.x }));
        return sum / Math.max(1, held.length);
      } finally {
        await session.release();
      }
    };
    const start = trainer.parameters();
    const before = await judge(start);
    let best = { weights: start, value: before, at: 0 };
    const order = [...train];
    const lessons = new Lessons(
      teacher,
      input.name,
      outputs.map((o) => o.name),
    );
    let [at, epochs, loss, stale, nextCheck] = [order.length, -1, 0, 0, 0];
    const perCheck = Math.max(5, recipe.seconds / 30);
    nextCheck = perCheck;
    while (elapsed() < recipe.seconds) {
      if (at + batch > order.length) {
        random.shuffle(order);
        at = 0;
        epochs++;
      }
      const indices = order.slice(at, at + batch);
      while (indices.length < batch) indices.push(train[random.int(train.length)]!);
      at += batch;
      const view = recipe.augment ? Math.max(0, epochs) % VIEWS : 0;
      let x = await dataset.batch(indices);
      if (recipe.augment)
        x = applyViews(
          x,
          indices.map((i) => drawView(AUGMENTATION, seededRandom(options.seed + i * VIEWS + view))),
        );
      const given = await lessons.of(x, indices, view);
      const done = elapsed() / recipe.seconds;
      const feeds: Record<string, HostTensor> = { [input.name]: x };
      outputs.forEach((o) => (feeds[teacherName(o.name)] = given[o.name]!));
      if (labelled)
        feeds[LABELS] = {
          dtype: DType.INT64,
          dims: [batch],
          data: BigInt64Array.from(indices, (i) => BigInt(dataset.labels![i]!)),
        };
      const result = await trainer.step(feeds, cosine(done, recipe.learningRate));
      loss = loss === 0 ? result.loss : 0.95 * loss + 0.05 * result.loss;
      if (elapsed() >= nextCheck) {
        // The average needs several of its own time constants before it says anything.
        const weights = trainer.parameters(trainer.count > 4 / (1 - EMA) ? 'average' : 'current');
        const value = await judge(weights);
        if (value < best.value) [best, stale] = [{ weights, value, at: trainer.count }, 0];
        else stale++;
        curve.push({ seconds: elapsed(), step: trainer.count, loss, holdout: value });
        nextCheck = elapsed() + perCheck;
        // A cosine gains most in its last third, and may lose at its peak: only a standstill behind that says anything.
        if (elapsed() < 0.7 * recipe.seconds) stale = 0;
        else if (stale >= 6) break;
      }
      ctx.progress({
        stage: 'recover',
        message: `epoch ${epochs + 1}, loss ${loss.toPrecision(3)}, held out ${best.value.toPrecision(3)}`,
        done: Math.min(0.99, elapsed() / recipe.seconds),
      });
    }
    for (const which of ['average', 'current'] as const) {
      const weights = trainer.parameters(which);
      const value = await judge(weights);
      if (value < best.value) best = { weights, value, at: trainer.count };
    }
    curve.push({ seconds: elapsed(), step: trainer.count, loss, holdout: best.value });
    // Where nothing got better, the model stays as it was, to the bit.
    const result = cloneModel(best.at === 0 ? pruned : model).model;
    if (best.at > 0) {
      writeParameters(result, best.weights);
      runPasses(result, [foldBatchNorm, eliminateDead]);
    }
    return {
      model: result,
      steps: trainer.count,
      epochs: epochs + at / order.length,
      seconds: elapsed(),
      before,
      after: best.value,
      curve,
    };
  } finally {
    await trainer.release();
    await teacher.release();
  }
}

/** Statistics of smaller batches are too coarse to train with. */
const STATISTICS_BATCH = 16;

/** A copy with batch normalization behind its convolutions, where the batch is large enough for it. */
async function normalized(
  pruned: Model,
  options: RecoveryOptions,
  batch: number,
  input: string,
  ctx: StageContext,
): Promise<Model> {
  const { model } = cloneModel(pruned);
  if (batch < STATISTICS_BATCH) return model;
  const facts = await collectFacts(model, ctx.executor, { batch });
  const values = normalizable(model).filter((v) => facts.has(v));
  if (values.length === 0) return model;
  const built = buildStatisticsModel(
    model,
    values.map((value) => ({ value, axis: 1, shape: facts.get(value)!.shape, kinds: ['moments'] })),
  );
  const sums = new StatisticsAccumulator(built);
  const session = await ctx.executor.open(built.model, { threads: options.threads });
  try {
    for (let at = 0; at < Math.min(options.train.length, 8 * batch); at += batch) {
      const chunk = Array.from({ length: batch }, (_, i) => options.train[(at + i) % options.train.length]!);
      sums.add(await session.run({ [input]: await options.dataset.batch(chunk) }));
    }
  } finally {
    await session.release();
  }
  insertNormalization(model, new Map(values.map((v, i) => [v, sums.result(i)])));
  return model;
}

/** Decay of the moving average of the weights. */
const EMA = 0.995;
/** Views of each sample: each is shown to the original once, and its answer is kept for later epochs. */
const VIEWS = 6;
const AUGMENTATION = { shift: 0.125, mirror: true };
/** Bytes of kept answers. */
const KEPT = 2 ** 29;

/** The original's outputs on views of samples, computed once. */
class Lessons {
  readonly #teacher: ExecSession;
  readonly #input: string;
  readonly #outputs: readonly string[];
  readonly #kept = new Map<string, readonly Float32Array[]>();
  #bytes = 0;

  constructor(teacher: ExecSession, input: string, outputs: readonly string[]) {
    this.#teacher = teacher;
    this.#input = input;
    this.#outputs = outputs;
  }

  async of(x: HostTensor, indices: readonly number[], view: number): Promise<Record<string, HostTensor>> {
    const keys = indices.map((i) => `${i}/${view}`);
    const known = keys.map((k) => this.#kept.get(k));
    if (this.#dims && known.every((k) => k !== undefined))
      return Object.fromEntries(
        this.#outputs.map((name, o) => {
          const dims = this.#dims![o]!;
          const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
          const row = data.length / indices.length;
          known.forEach((k, i) => data.set(k![o]!, i * row));
          return [name, { dtype: DType.FLOAT, dims, data }];
        }),
      );
    const out = await this.#teacher.run({ [this.#input]: x });
    this.#dims = this.#outputs.map((name) => out[name]!.dims);
    const whole = this.#outputs.map((name) => out[name]!.data as Float32Array);
    // Outputs without the batch as first axis cannot be told apart by sample.
    if (this.#dims.every((d) => d[0] === indices.length) && this.#bytes < KEPT)
      keys.forEach((k, i) => {
        const rows = whole.map((d) => d.slice((i * d.length) / indices.length, ((i + 1) * d.length) / indices.length));
        this.#bytes += rows.reduce((a, r) => a + r.byteLength, 0);
        this.#kept.set(k, rows);
      });
    return out;
  }

  #dims: readonly (readonly number[])[] | null = null;
}

const LABELS = 'labels__given';
const teacherName = (output: string): string => `${output}__original`;

function lossOf(
  l: LossContext,
  outputs: readonly Value[],
  shapes: readonly (readonly number[])[],
  recipe: Recipe['recovery'],
  labelled: boolean,
): Value {
  const terms = outputs.map((o, i) => {
    const shape = shapes[i]!;
    const own = l.copyOf(o);
    const given = l.input(teacherName(o.name), DType.FLOAT, shape);
    const classes = outputView(shape).kind === 'classes';
    const loss = classes
      ? distillation(l.b, own, given, shape, recipe.temperature)
      : relativeSquaredError(l.b, own, given, shape);
    return { loss, weight: labelled && i === 0 ? recipe.alpha : 1 };
  });
  if (labelled) {
    const labels = l.input(LABELS, DType.INT64, [shapes[0]![0]!]);
    terms.push({ loss: crossEntropy(l.b, l.copyOf(outputs[0]!), labels, shapes[0]!), weight: 1 - recipe.alpha });
  }
  return weightedSum(l.b, terms);
}

async function heldOut(
  dataset: Dataset,
  indices: readonly number[],
  batch: number,
  input: string,
  teacher: { run(f: Record<string, HostTensor>): Promise<Record<string, HostTensor>> },
) {
  const out: { x: HostTensor; distance: ReturnType<typeof reference> }[] = [];
  for (let at = 0; at + batch <= indices.length || at === 0; at += batch) {
    const chunk = Array.from({ length: batch }, (_, i) => indices[(at + i) % indices.length]!);
    const x = await dataset.batch(chunk);
    out.push({ x, distance: reference(await teacher.run({ [input]: x })) });
  }
  return out;
}
