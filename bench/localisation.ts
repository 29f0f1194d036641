// Which questions a vision-language package still answers with fewer visual tokens, places apart, and which regions survive.
/*
 * Arguments: [--package resources/samples/scenes-vlm] [--count 1000] [--seed 40001] [--keep 0.25,0.11] [--depth 0.25]
 *   [--placed] [--only NAME,...] [--threads 1]
 * Procedural questions that training has not seen, up to five about each picture, one of each kind. Every way runs on the
 * same ones: selection after the encoder, smaller pictures, and cuts inside the decoder. Criteria with one cut drop tokens
 * at the depth, as a share of the layers. With --placed, selections behind the encoder are also tried with the positions
 * that the tokens had among all, as packages that `secateur tokens` writes have them. Tables are printed; heat maps and a
 * JSON file go to out/bench/localisation. Times are not measured.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { HeatMap } from '../src/shared/model/heat-map.ts';
import { heatMapSvg } from '../src/main/cli/heat-map-svg.ts';
import type { ExecSession, HostTensor } from '../src/main/engine/executor.ts';
import { resample } from '../src/main/engine/images/resample.ts';
import { DType } from '../src/main/engine/ir/dtype.ts';
import type { Model } from '../src/main/engine/ir/model.ts';
import { failedBy, questionFigures, type GivenAnswer } from '../src/main/engine/quality/answers.ts';
import { seededRandom } from '../src/main/engine/random.ts';
import { emptyCache, largest, runDecoder, type Cache } from '../src/main/engine/sample/vlm/answer.ts';
import { pixelValues } from '../src/main/engine/sample/vlm/batches.ts';
import { makePicture, PICTURE_SIZE, type Picture } from '../src/main/engine/sample/vlm/pictures.ts';
import { askAbout, QUESTION_TYPES, type Question } from '../src/main/engine/sample/vlm/questions.ts';
import { VLM_SIZES } from '../src/main/engine/sample/vlm/sizes.ts';
import { BOS, decode, encode, EOS } from '../src/main/engine/sample/vlm/vocabulary.ts';
import { featurePlace, KEPT, refusalAfter, selectAfter } from '../src/main/engine/structures/tokens/after.ts';
import { findDecoder } from '../src/main/engine/structures/tokens/decoder/find.ts';
import { isSkipped } from '../src/main/engine/structures/tokens/decoder/ports.ts';
import { pruneDecoder } from '../src/main/engine/structures/tokens/decoder/prune.ts';
import { cutsFor, type CutSchedule } from '../src/main/engine/structures/tokens/decoder/schedule.ts';
import { KeptCells } from '../src/main/engine/structures/tokens/heat-map.ts';
import { pixelPlace, shrinkPixels, smallerSizes } from '../src/main/engine/structures/tokens/pixels.ts';
import { tokenMethod } from '../src/main/engine/structures/tokens/registry.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { collectFacts } from '../src/main/runtime/facts.ts';
import { openModelFile } from '../src/main/storage/model-files.ts';
import { root, table } from './support.ts';

const { values: args } = parseArgs({
  options: {
    package: { type: 'string', default: join(root, 'resources/samples/scenes-vlm') },
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '40001' },
    keep: { type: 'string', default: '0.25,0.11' },
    depth: { type: 'string', default: '0.25' },
    placed: { type: 'boolean', default: false },
    threads: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const AFTER = ['pool', 'stride', 'random', 'stratified', 'dpp', 'divprune', 'nuwa', 'visionzip', 'evit'];
/** Pictures that the encoder takes at once, and most words of an answer. */
const [BATCH, WORDS] = [25, 3];
const executor = createExecutor();
const threads = Number(args.threads);
const out = join(root, 'out/bench/localisation');
mkdirSync(out, { recursive: true });
const open = (model: Model): Promise<ExecSession> => executor.open(model, { threads });
const part = (name: string): Model => openModelFile(join(resolve(args.package), 'onnx', `${name}.onnx`));

/** One question about a picture. */
interface Asked extends Question {
  readonly picture: number;
}

/** A way to spend fewer tokens. */
interface Way {
  readonly name: string;
  readonly vision: Model;
  readonly decoder: Model;
  /** The last cut inside the decoder; null: there is none. */
  readonly lastCut: number | null;
  /** Image tokens that the decoder's layers read, as a mean over layers. */
  readonly perLayer: number;
  /** Pixels per side of a picture. */
  readonly side: number;
  /** Selected tokens have the positions that they had among all; else they are numbered anew, as runners do. */
  readonly placed?: true;
  /** Tokens are means of cells, so that no map shows them. */
  readonly averages?: true;
}

interface Outcome {
  readonly way: Way;
  readonly answers: readonly GivenAnswer[];
  /** Image tokens behind the last cut, as a mean over prompts. */
  readonly tokens: number;
  readonly map: HeatMap | null;
}

const count = Number(args.count);
const pictures: Picture[] = [];
const asked: Asked[] = [];
for (let i = 0; asked.length < count; i++) {
  const picture = makePicture(Number(args.seed), i);
  const some = askAbout(seededRandom(Number(args.seed)).fork(~i), picture, 64);
  pictures.push(picture);
  for (const type of QUESTION_TYPES) {
    const question = some.find((q) => q.type === type);
    if (question && asked.length < count) asked.push({ ...question, picture: i });
  }
}
const judged = asked.map(({ answer, type }) => ({ answer, kind: type }));

const vision = part('vision_encoder');
const wholeDecoder = part('decoder_model_merged');
const facts = await collectFacts(vision, executor);
const found = featurePlace(vision, facts);
if ('refused' in found) throw new Error(found.refused);
const place = found;
const [rows, columns] = place.grid!;
const foundDecoder = findDecoder(wholeDecoder);
if (isSkipped(foundDecoder)) throw new Error(foundDecoder.reason);
const decoder = foundDecoder;
const { layers } = decoder;

/** Embeddings of every word of the vocabulary: [words, width]. */
const words = await wordRows();
async function wordRows(): Promise<{ readonly data: Float32Array; readonly width: number }> {
  const session = await open(part('embed_tokens'));
  const ids = BigInt64Array.from({ length: VLM_SIZES.vocabulary }, (_, i) => BigInt(i));
  const t = (await session.run({ input_ids: { dtype: DType.INT64, dims: [1, ids.length], data: ids } }))['inputs_embeds']!; // prettier-ignore
  await session.release();
  return { data: t.data as Float32Array, width: t.dims[2]! };
}

const whole = { vision, decoder: wholeDecoder, lastCut: null, side: PICTURE_SIZE };

async function waysOf(keep: number): Promise<Way[]> {
  const after = AFTER.flatMap((name): Way[] => {
    const method = tokenMethod(name)!;
    const most = method.levels?.(place).findLast((n) => n <= keep) ?? keep;
    const refused = refusalAfter(vision, place, method, most);
    if (refused) console.log(`${name}: ${refused}`);
    if (refused) return [];
    const model = selectAfter(vision, place, method, most, { report: true });
    const way = { ...whole, name, vision: model, perLayer: most, ...(method.averages && { averages: true as const }) };
    return args.placed ? [way, { ...way, name: `${name}-placed`, placed: true }] : [way];
  });
  const pixels = pixelPlace(vision, facts);
  if ('refused' in pixels) throw new Error(pixels.refused);
  const size = smallerSizes(pixels).find(([h, w]) => (h * w) / (pixels.patch[0] * pixels.patch[1]) <= keep)!;
  const perLayer = (size[0] * size[1]) / (pixels.patch[0] * pixels.patch[1]);
  const small = {
    ...whole,
    name: 'pixels',
    vision: shrinkPixels(vision, facts, pixels, size),
    perLayer,
    side: size[0],
  };
  const inside = Object.entries(decoderCuts(keep)).map(([name, { cuts, left }]): Way => {
    const route = { route: 'span', start: 1, count: place.count } as const;
    const model = pruneDecoder(wholeDecoder, cuts, { route, report: true });
    const read = Array.from(
      { length: layers.length },
      (_, k) => left[cuts.findLastIndex((c) => c.layer <= k)] ?? place.count,
    );
    return {
      ...whole,
      name,
      decoder: model,
      lastCut: cuts.at(-1)!.layer,
      perLayer: read.reduce((x, y) => x + y, 0) / read.length,
    };
  });
  return [...after, small, ...inside].filter(({ name }) => !args.only || args.only.split(',').includes(name));
}

/** Cuts that end with `keep` image tokens: at the layers of the criterion, or once at the same early layer. */
function decoderCuts(keep: number): Record<string, CutSchedule> {
  const early = Math.max(1, Math.round(Number(args.depth) * layers.length));
  const cut = (criterion: string, at: readonly number[] | null): CutSchedule => {
    const schedule = cutsFor(decoder, criterion, { count: place.count, keep, layers: at, columns });
    if ('refused' in schedule) throw new Error(schedule.refused);
    return schedule;
  };
  const once = cut('feather', [early]);
  // A first cut that keeps everything takes the grid away, so that only the criterion is left.
  const everything = { layer: early - 1, keep: { ratio: 1 }, criterion: 'feather', columns };
  return {
    feather: cut('feather', null),
    'feather-plain': { cuts: [everything, ...once.cuts], kept: [place.count, keep], left: [place.count, keep] },
    fastv: cut('fastv', [early]),
    pyramiddrop: cut('pyramiddrop', null),
    'uniform-inside': cut('uniform', [early]),
    'random-inside': cut('random', [early]),
  };
}

interface Encoded {
  /** [tokens, width] */
  readonly features: Float32Array;
  /** Numbers of the tokens that the encoder keeps; null where it reports none. */
  readonly kept: readonly number[] | null;
}

async function encodeAll(way: Way): Promise<Encoded[]> {
  const session = await open(way.vision);
  const all: Encoded[] = [];
  for (let at = 0; at < pictures.length; at += BATCH) {
    const some = pictures.slice(at, at + BATCH).map((p) => sized(p, way.side));
    const result = await session.run({ pixel_values: pixelValues(some, way.side) });
    const { dims, data } = result['image_features']!;
    const each = dims[1]! * dims[2]!;
    const kept = result[KEPT];
    some.forEach((_, i) => {
      const own = kept && (kept.data as BigInt64Array).subarray(i * kept.dims[1]!, (i + 1) * kept.dims[1]!);
      const features = (data as Float32Array).slice(i * each, (i + 1) * each);
      all.push({ features, kept: own ? Array.from(own, Number) : null });
    });
  }
  await session.release();
  return all;
}

/** The picture with the pixels that the package's processor would make. */
function sized(picture: Picture, side: number): Picture {
  const bitmap = { data: picture.pixels, width: PICTURE_SIZE, height: PICTURE_SIZE, channels: 3 };
  return { ...picture, pixels: resample(bitmap, { width: side, height: side }, 'bicubic').data };
}

const rowsOf = (ids: readonly number[]): Float32Array[] =>
  ids.map((id) => words.data.subarray(id * words.width, (id + 1) * words.width));

function embeds(parts: readonly Float32Array[]): HostTensor {
  const length = parts.reduce((n, p) => n + p.length, 0);
  const data = new Float32Array(length);
  let at = 0;
  for (const p of parts) {
    data.set(p, at);
    at += p.length;
  }
  return { dtype: DType.FLOAT, dims: [1, length / words.width, words.width], data };
}

/** The state behind which a question is read. */
interface Begun {
  readonly cache: Cache;
  /** Position of the next token. */
  readonly position: number;
}

const counted = (from: number, { dims }: HostTensor): number[] => Array.from({ length: dims[1]! }, (_, i) => from + i);

/** Words of the answer behind a prompt, and image tokens that are left behind the last cut. */
async function answerOf(
  session: ExecSession,
  { lastCut }: Way,
  prompt: HostTensor,
  begun: Begun,
): Promise<{ readonly ids: readonly number[]; readonly image: readonly number[] | null }> {
  const names = lastCut === null ? [] : [`kept_tokens.${lastCut}`];
  const ids: number[] = [];
  let image: number[] | null = null;
  let [next, cache, position] = [prompt, begun.cache, begun.position];
  while (ids.length < WORDS) {
    const run = await runDecoder(session, next, cache, { names, positions: counted(position, next) });
    const [kept] = run.others;
    if (kept && image === null)
      image = Array.from(kept.data as BigInt64Array, (t) => Number(t) - 1).filter((t) => t >= 0 && t < place.count);
    const id = largest((run.logits.data as Float32Array).subarray(-VLM_SIZES.vocabulary));
    if (id === EOS) break;
    ids.push(id);
    ({ cache } = run);
    position += next.dims[1]!;
    next = embeds(rowsOf([id]));
  }
  return { ids, image };
}

/** Reads the picture alone: nothing in front of a question depends on it, so this serves all questions about the picture. */
async function readPicture(session: ExecSession, way: Way, { features, kept }: Encoded): Promise<Begun> {
  const front = embeds([...rowsOf([BOS]), features]);
  const positions = way.placed ? [0, ...kept!.map((token) => 1 + token)] : counted(0, front);
  const { cache } = await runDecoder(session, front, emptyCache(VLM_SIZES), { positions });
  return { cache, position: way.placed ? 1 + place.count : front.dims[1]! };
}

async function outcomeOf(way: Way, original: readonly GivenAnswer[] | null): Promise<Outcome> {
  const cells = new KeptCells([rows, columns], place.fixed);
  const encoded = await encodeAll(way);
  for (const { kept } of encoded) if (kept && !way.averages) cells.add(kept);
  const session = await open(way.decoder);
  let tokens = 0;
  let read = -1;
  let begun: Begun = { cache: emptyCache(VLM_SIZES), position: 0 };
  const answers: GivenAnswer[] = [];
  for (const [i, { picture, question }] of asked.entries()) {
    const { features } = encoded[picture]!;
    const prompt = rowsOf(encode(question));
    const isShared = way.lastCut === null;
    if (isShared && read !== picture) begun = await readPicture(session, way, encoded[picture]!);
    read = picture;
    const front = isShared ? [] : [...rowsOf([BOS]), features];
    const { ids, image } = await answerOf(session, way, embeds([...front, ...prompt]), begun);
    if (image) cells.add(image);
    tokens += image ? image.length : features.length / words.width;
    const text = decode(ids);
    answers.push({ text, equal: original === null || original[i]!.text === text, kl: 0, tokens: 0 });
  }
  await session.release();
  return { way, answers, tokens: tokens / asked.length, map: cells.map() };
}

/** Share of the survivors in the bottom third of the rows. */
function below({ shares }: HeatMap): number {
  const all = shares.reduce((a, b) => a + b, 0);
  const from = Math.floor((2 * rows) / 3) * columns;
  return shares.slice(from).reduce((a, b) => a + b, 0) / all;
}

const share = (hits: number, of: number): string => (of > 0 ? `${((100 * hits) / of).toFixed(1)}` : '-');

/** Right answers when each kind is always answered by its most frequent answer. */
function blindOf(kind: string): number {
  const answers = judged.filter((q) => q.kind === kind).map((q) => q.answer);
  const most = Math.max(0, ...[...Map.groupBy(answers, (a) => a).values()].map((same) => same.length));
  return most / Math.max(1, answers.length);
}

console.log(`${asked.length} questions about ${pictures.length} pictures of seed ${args.seed}, ${args.package}`);
const original = await outcomeOf({ ...whole, name: 'original', perLayer: place.count }, null);
const results: unknown[] = [];
for (const given of args.keep.split(',')) {
  const keep = Math.max(1, Math.round(Number(given) * place.count));
  const outcomes = [original];
  for (const way of await waysOf(keep)) {
    console.error(`${keep} tokens: ${way.name}`);
    outcomes.push(await outcomeOf(way, original.answers));
  }
  const pixels = outcomes.find(({ way }) => way.name === 'pixels');
  const hard = pixels ? failedBy(judged, original.answers, pixels.answers) : null;
  const figuresOf = ({ answers }: Outcome) => questionFigures(judged, answers, { localisation: ['where'], hard });
  const before = figuresOf(original).localisation!;
  const kinds = figuresOf(original).kinds.map((k) => k.kind);
  const head = ['', 'tokens', 'per layer', 'where', '95 %', 'kept', 'all', ...kinds.filter((k) => k !== 'where'), 'equal', `hard ${hard?.length ?? 0}`, 'down', 'right', 'bottom third']; // prettier-ignore
  const body = outcomes.map((o) => {
    const f = figuresOf(o);
    const where = f.localisation!;
    results.push({ keep, name: o.way.name, tokens: o.tokens, perLayer: o.way.perLayer, figures: f, map: o.map });
    return [
      o.way.name,
      o.tokens.toFixed(1),
      o.way.perLayer.toFixed(1),
      share(where.exact, where.known),
      `${(100 * where.interval!.low).toFixed(0)}-${(100 * where.interval!.high).toFixed(0)}`,
      share(where.exact, before.exact),
      share(f.all.exact, f.all.known),
      ...f.kinds.filter((k) => k.kind !== 'where').map((k) => share(k.exact, k.known)),
      share(f.all.equal, f.all.questions),
      hard ? share(f.hard!, hard.length) : '-',
      ...(o.map ? [o.map.centre.down, o.map.centre.right, below(o.map)].map((x) => x.toFixed(3)) : ['-', '-', '-']),
    ];
  });
  const blind = ['most frequent', '', '', ...[blindOf('where')].map((x) => (100 * x).toFixed(1)), '', '', '', ...kinds.filter((k) => k !== 'where').map((k) => (100 * blindOf(k)).toFixed(1))]; // prettier-ignore
  console.log(
    `\n${keep} of ${place.count} tokens (${share(place.count - keep, place.count)} % removed); shares in percent`,
  );
  console.log(table([head, ...body, blind]));
  const panels = outcomes.flatMap(({ way, map }) => (map ? [{ title: `${way.name}, ${keep} tokens`, map }] : []));
  const file = join(out, `regions-${keep}.svg`);
  if (panels.length > 0) writeFileSync(file, heatMapSvg(panels));
}
writeFileSync(join(out, 'results.json'), JSON.stringify({ package: args.package, seed: args.seed, questions: asked.length, results }, null, 1)); // prettier-ignore
console.log(`
kept: right answers about places over the original's. hard: right answers to the questions that the original answers right and
pixels wrong. per layer: image tokens that a decoder layer reads, as a mean. down, right: mean place of the survivors, 0.5 is the
middle. bottom third: their share in it, 0.333 where no part is favoured. Heat maps: ${out}`);
