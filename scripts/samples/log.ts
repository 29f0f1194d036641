// The training log: training-log.json for programs, README.md for people. Only `npm run samples`
// writes them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface EpochLog {
  readonly epoch: number;
  /** Mean over the epoch's steps. */
  readonly loss: number;
  readonly testAccuracy: number;
  /** Learning rate at the end of the epoch. */
  readonly learningRate: number;
  readonly seconds: number;
}

export interface TrainingLog {
  readonly date: string;
  readonly processor: string;
  readonly threads: number;
  readonly seconds: number;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly parameters: number;
  readonly modelBytes: number;
  readonly chance: number;
  readonly linear: { readonly trainAccuracy: number; readonly testAccuracy: number };
  readonly testAccuracy: number;
  readonly epochs: readonly EpochLog[];
}

export function writeLog(folder: string, log: TrainingLog): void {
  writeFileSync(join(folder, 'training-log.json'), JSON.stringify(log, null, 2) + '\n');
  writeFileSync(join(folder, 'README.md'), page(log));
}

const percent = (x: number): string => `${(100 * x).toFixed(1)}%`;

function page(log: TrainingLog): string {
  const rows = log.epochs.map(
    (e) =>
      `| ${e.epoch} | ${e.loss.toFixed(4)} | ${percent(e.testAccuracy)} | ${e.learningRate.toExponential(1)} | ${Math.round(e.seconds)} |`,
  );
  return `# The sample: procedural scenes

Small pictures of one shape among clutter, to be named whatever its place, size, rotation, colour, texture and occlusion.
The pictures are drawn from a seed by \`src/main/engine/sample\`; the network is a residual classifier with batch
normalization, trained by \`npm run samples -- --only classifier\` with the project's own autodiff. That command writes the
files below, this page included. Licence: as the project.

| file | what |
|---|---|
| scenes-resnet.onnx | the network: \`image\` [N, 3, 32, 32] to \`logits\` [N, 10], ${log.parameters} parameters |
| scenes-test.npz | ${String(log.settings['testScenes'])} test scenes: \`images\` [n, 32, 32, 3] uint8 and \`labels\` |
| preprocess.json, labels.txt | how pixels become the input, and the names of the classes |
| training-log.json | the log below with all settings |

The folders [scenes-vlm](scenes-vlm/README.md) and \`scenes-vlm-gqa\` hold another sample: a model that answers questions
about pictures. \`scenes-vlm-example.png\` is one of them, drawn by
\`node scripts/run.mjs scripts/samples-picture.ts FILE.png\`.

Training scenes are not stored: \`node scripts/run.mjs scripts/samples-data.ts FILE.npz 4000\` draws as many fresh ones as
wanted. Training, test and fresh scenes have seeds of their own.

| classifier | test accuracy |
|---|---|
| chance | ${percent(log.chance)} |
| linear model on the pixels (multinomial logistic regression, 10000 scenes) | ${percent(log.linear.testAccuracy)} (training ${percent(log.linear.trainAccuracy)}) |
| scenes-resnet.onnx | ${percent(log.testAccuracy)} |

Trained on ${log.date} in ${log.seconds} s, drawing and the linear model included, with ${log.threads} ${log.threads === 1 ? 'thread' : 'threads'} on ${log.processor}.

| epoch | loss | test accuracy | learning rate | seconds |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
