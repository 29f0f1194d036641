// The sample classifier: draws the scenes, trains it with the project's own autodiff, and writes
// resources/samples: model, test set, preprocessing, class names and a training log.
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { Trainer, buildTrainStep, crossEntropy, writeParameters } from '../../src/main/engine/autodiff/index.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { seededRandom } from '../../src/main/engine/random.ts';
import { buildClassifier } from '../../src/main/engine/sample/classifier.ts';
import { SCENE_CLASSES, SCENE_SIZE, makeScenes, type Scenes } from '../../src/main/engine/sample/scenes.ts';
import { createExecutor } from '../../src/main/runtime/executor.ts';
import { collectFacts } from '../../src/main/runtime/facts.ts';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { PREPROCESS, TEST_SEED, TRAIN_SEED, toBatch, writeNpz } from './data.ts';
import { argmax, trainLinear } from './linear.ts';
import { writeLog, type EpochLog, type TrainingLog } from './log.ts';

const SETTINGS = {
  stem: 16,
  widths: [24, 48, 96],
  blocks: 2,
  seed: 7,
  trainScenes: 24_000,
  testScenes: 1_000,
  batch: 64,
  epochs: 10,
  rate: 0.003,
  warmup: 100,
  weightDecay: 0.02,
  smoothing: 0.05,
};

/**
 * `--epochs N`, `--scenes N`, `--threads N` and `--out DIR` allow a shorter run into another
 * folder.
 */
export async function trainSampleClassifier(option: (name: string) => string | undefined): Promise<void> {
  const s = {
    ...SETTINGS,
    epochs: Number(option('--epochs') ?? SETTINGS.epochs),
    trainScenes: Number(option('--scenes') ?? SETTINGS.trainScenes),
  };
  const out = resolve(option('--out') ?? 'resources/samples');
  mkdirSync(out, { recursive: true });
  const started = performance.now();
  const seconds = (): number => Math.round((performance.now() - started) / 1000);

  console.log(`Drawing ${s.trainScenes} training and ${s.testScenes} test scenes`);
  const train = makeScenes(TRAIN_SEED, s.trainScenes);
  const test = makeScenes(TEST_SEED, s.testScenes);
  await writeNpz(join(out, 'scenes-test.npz'), test);
  writeFileSync(join(out, 'preprocess.json'), JSON.stringify(PREPROCESS, null, 2) + '\n');
  writeFileSync(join(out, 'labels.txt'), SCENE_CLASSES.join('\n') + '\n');

  console.log('Fitting the linear model');
  const flat = (x: Scenes): { x: Float32Array; y: Uint8Array } => ({
    x: toBatch(x, range(x.labels.length)),
    y: x.labels,
  });
  const linear = trainLinear(flat(makeScenes(TRAIN_SEED, Math.min(10_000, s.trainScenes))), flat(test), {
    classes: SCENE_CLASSES.length,
    epochs: 10,
    rate: 0.003,
    weightDecay: 0.01,
  });
  console.log(`  test accuracy ${percent(linear.testAccuracy)} (training ${percent(linear.trainAccuracy)})`);

  const threads = Math.min(availableParallelism(), Number(option('--threads') ?? 2));
  const model = buildClassifier({ size: SCENE_SIZE, classes: SCENE_CLASSES.length, ...s });
  const epochs = await trainClassifier(model, train, test, { ...s, threads }, (e) =>
    console.log(
      `  epoch ${e.epoch}/${s.epochs}  loss ${e.loss.toFixed(4)}  test ${percent(e.testAccuracy)}  ${Math.round(e.seconds)} s`,
    ),
  );
  const path = join(out, 'scenes-resnet.onnx');
  model.docString = 'Classifies procedural scenes by the shape in them. Trained by `npm run samples`.';
  saveModelFile(model, path);

  const log: TrainingLog = {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? 'unknown',
    threads,
    seconds: seconds(),
    settings: s,
    parameters: [...model.graph.initializers].reduce((n, v) => n + v.initializer!.byteLength / 4, 0),
    modelBytes: statSync(path).size,
    chance: 1 / SCENE_CLASSES.length,
    linear,
    testAccuracy: epochs.at(-1)!.testAccuracy,
    epochs,
  };
  writeLog(out, log);
  console.log(
    `Test accuracy ${percent(log.testAccuracy)}, linear model ${percent(linear.testAccuracy)}; ${log.seconds} s`,
  );
}

/**
 * Trains in place and keeps the weights of the last step. Learning rate: linear warm-up, then
 * cosine to 0.
 */
async function trainClassifier(
  model: Model,
  train: Scenes,
  test: Scenes,
  s: typeof SETTINGS & { readonly threads: number },
  report: (e: EpochLog) => void,
): Promise<EpochLog[]> {
  const executor = createExecutor();
  const input = { dtype: DType.FLOAT, dims: [s.batch, 3, SCENE_SIZE, SCENE_SIZE] };
  const facts = await collectFacts(model, executor, { dims: { N: s.batch } });
  // Running statistics are updated by the steps; all other float32 tensors are trained.
  const fixed = new Set(
    [...model.graph.nodes()].filter((n) => n.opType === 'BatchNormalization').flatMap((n) => n.inputs.slice(3)),
  );
  const step = buildTrainStep(model, {
    facts: (v) => facts.get(v),
    params: [...model.graph.initializers].filter((v) => !fixed.has(v)),
    optimizer: { kind: 'adamw', weightDecay: s.weightDecay },
    batchStatistics: { momentum: 0.9 },
    loss: ({ b, outputs, shape, input: declare }) =>
      crossEntropy(b, outputs[0]!, declare('labels', DType.INT64, [s.batch]), shape(outputs[0]!), s.smoothing),
  });
  const trainer = await Trainer.open(executor, step, { threads: s.threads });
  const random = seededRandom(s.seed);
  const order = range(train.labels.length);
  const perEpoch = Math.floor(order.length / s.batch);
  const total = s.epochs * perEpoch;
  const log: EpochLog[] = [];
  for (let epoch = 0; epoch < s.epochs; epoch++) {
    const started = performance.now();
    random.shuffle(order);
    let loss = 0;
    let rate = 0;
    for (let i = 0; i < perEpoch; i++) {
      const t = epoch * perEpoch + i;
      rate = s.rate * Math.min(1, (t + 1) / s.warmup) * 0.5 * (1 + Math.cos((Math.PI * t) / total));
      const indices = order.slice(i * s.batch, (i + 1) * s.batch);
      const labels = {
        dtype: DType.INT64,
        dims: [s.batch],
        data: BigInt64Array.from(indices, (k) => BigInt(train.labels[k]!)),
      };
      const image = { ...input, data: toBatch(train, indices, () => random.next() < 0.5) };
      const result = await trainer.step({ image, labels }, rate);
      loss += result.loss / perEpoch;
      if (!Number.isFinite(result.loss)) throw new Error(`the loss is ${result.loss} at step ${t}`);
    }
    writeParameters(model, trainer.parameters());
    const entry = {
      epoch: epoch + 1,
      loss,
      testAccuracy: await accuracy(model, test, s.threads),
      learningRate: rate,
      seconds: (performance.now() - started) / 1000,
    };
    log.push(entry);
    report(entry);
  }
  await trainer.release();
  return log;
}

/** Top-1 accuracy over the scenes, of the model as it will be shipped. */
async function accuracy(model: Model, scenes: Scenes, threads: number): Promise<number> {
  const session = await createExecutor().open(model, { threads });
  const batch = 250;
  let hits = 0;
  for (let at = 0; at < scenes.labels.length; at += batch) {
    const indices = range(Math.min(batch, scenes.labels.length - at)).map((i) => at + i);
    const dims = [indices.length, 3, SCENE_SIZE, SCENE_SIZE];
    const { logits } = await session.run({ image: { dtype: DType.FLOAT, dims, data: toBatch(scenes, indices) } });
    const data = logits!.data as Float32Array;
    const classes = logits!.dims[1]!;
    indices.forEach(
      (i, b) => (hits += Number(argmax(data.subarray(b * classes, (b + 1) * classes)) === scenes.labels[i])),
    );
  }
  await session.release();
  return hits / scenes.labels.length;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const percent = (x: number): string => `${(100 * x).toFixed(1)}%`;
