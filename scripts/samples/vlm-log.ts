// The log of the vision-language sample: training-log.json for programs, README.md for people. Only
// `npm run samples` writes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageTokens, type VlmSizes } from '../../src/main/engine/sample/vlm/sizes.ts';
import { resultRows, type TypeResult } from './vlm-evaluate.ts';

export interface VlmEntry {
  readonly step: number;
  /** Mean since the entry before. */
  readonly loss: number;
  readonly rate: number;
  /** Training time of the stage so far. */
  readonly seconds: number;
  /** Shares of right answers since the entry before, on pictures that were new. */
  readonly accuracy: Readonly<Record<string, number>>;
  /** Least and most things of the pictures. */
  readonly things?: readonly [number, number];
}

export interface VlmStage {
  readonly name: string;
  readonly seconds: number;
  readonly entries: readonly VlmEntry[];
}

export interface VlmLog {
  readonly date: string;
  readonly processor: string;
  readonly threads: number;
  readonly settings: Readonly<Record<string, number>>;
  readonly sizes: VlmSizes;
  /** Both packages. */
  readonly bytes: number;
  readonly parameters: number;
  readonly stages: readonly VlmStage[];
  /** Where a run differs from its settings, for example because it was resumed with others. */
  readonly notes?: string;
  readonly testSeed: number;
  readonly results: readonly TypeResult[];
}

export const readVlmLog = (folder: string): VlmLog =>
  JSON.parse(readFileSync(join(folder, 'training-log.json'), 'utf8')) as VlmLog;

export function writeVlmLog(folder: string, log: VlmLog): void {
  writeFileSync(join(folder, 'training-log.json'), JSON.stringify(log, null, 1) + '\n');
  writeFileSync(join(folder, 'README.md'), page(log));
}

function page(log: VlmLog): string {
  const { sizes: s, settings } = log;
  const total = log.results.reduce((n, r) => n + r.questions, 0);
  return `# The vision-language sample: questions about procedural scenes

A small decoder-only vision-language model. It sees a picture of ${s.picture} x ${s.picture} pixels with three to six coloured shapes on a
6 x 6 grid and answers questions in words: \`where is the red ring\` (\`row2 col5\`), \`what colour is the ring\`, \`what
shape is the red thing\`, \`how many rings\`, \`is there a red ring\`. Pictures and questions are drawn from a seed by
\`src/main/engine/sample/vlm\`; the network is trained by \`npm run samples -- --only vlm\` with the project's own autodiff.
That command writes this folder and \`../scenes-vlm-gqa\`, this page included. Licence: as the project.

## Package

The layout is that of LLaVA in transformers.js: \`onnx/vision_encoder.onnx\` (\`pixel_values\` to ${imageTokens(s)} image tokens),
\`onnx/embed_tokens.onnx\`, \`onnx/decoder_model_merged.onnx\` with its cache, and the configurations and the tokenizer beside
them. A prompt is \`<image>where is the red ring\`; the processor repeats \`<image>\`, and the tokenizer begins with \`<bos>\`.
The folder \`scenes-vlm-gqa\` holds the same weights with \`com.microsoft.GroupQueryAttention\`, which rotates inside and takes
positions from the length of the cache.

## Network

${log.parameters} parameters; both folders take ${(log.bytes / 2 ** 20).toFixed(1)} MiB. Encoder: convolutions of stride 2 with ${s.stem.join(', ')} channels, position
table, ${s.visionLayers} layers (${s.visionHeads} heads, MLP of ${s.visionHidden}). Projector: two layers. Decoder: ${s.layers} layers of width ${s.width}, ${s.heads} heads with ${s.kvHeads}
heads of keys and values, rotary positions, gated MLPs of ${s.hidden}, RMS normalization, ${s.vocabulary} words.

## Accuracy

${total} questions about ${total} pictures of seed ${log.testSeed}, one answer each, greedy, with the cache. An answer counts when it equals the
right one word for word. \`node scripts/run.mjs scripts/samples-vlm.ts resources/samples/scenes-vlm ${total}\` prints this table.

${resultRows(log.results).join('\n')}

## Training

Stage \`patches\` trains the encoder with a linear layer that reads the colour, the shape and the place of each patch's cell
(${settings['patchPictures']} pictures per step). Stage \`questions\` keeps the encoder and trains the rest on ${settings['questions']} questions about each of ${settings['pictures']} new pictures per step; each
question sees the picture and itself only. No picture is used twice, so the accuracies below are those on unseen
pictures. Optimiser: Muon. Trained on ${log.date} with ${log.threads} ${log.threads === 1 ? 'thread' : 'threads'} on ${log.processor}, which other work shared.

${log.notes ? `${log.notes}\n\n` : ''}${log.stages.map(stageTable).join('\n\n')}
`;
}

/** At most 20 rows of a stage. */
function stageTable({ name, seconds, entries }: VlmStage): string {
  const every = Math.ceil(entries.length / 20);
  const rows = entries.filter((_, i) => (i + 1) % every === 0 || i === entries.length - 1);
  const kinds = [...new Set(rows.flatMap((e) => Object.keys(e.accuracy)))];
  const counted = rows.some((e) => e.things);
  const cell = (x: number | undefined): string => (x === undefined ? '' : `${(100 * x).toFixed(1)}%`);
  return [
    `### ${name}: ${Math.round(seconds)} s`,
    '',
    `| step |${counted ? ' things |' : ''} loss | learning rate | ${kinds.join(' | ')} |`,
    `| --- |${counted ? ' --- |' : ''} --- | --- | ${kinds.map(() => '---').join(' | ')} |`,
    ...rows.map((e) => `| ${e.step} |${counted ? ` ${e.things?.join(' to ') ?? ''} |` : ''} ${e.loss.toFixed(4)} | ${e.rate.toExponential(1)} | ${kinds.map((k) => cell(e.accuracy[k])).join(' | ')} |`), // prettier-ignore
  ].join('\n');
}
