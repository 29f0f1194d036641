/** The projector of the vision component as what is trained, in front of the decoder, which stays as it is. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { HostTensor } from '../../../engine/executor.ts';
import { contextOf, type AnswerParts } from '../../../engine/generation/parts.ts';
import { cloneModel } from '../../../engine/ir/clone.ts';
import { DType } from '../../../engine/ir/dtype.ts';
import type { Model } from '../../../engine/ir/model.ts';
import { constantsToInitializers, runPasses } from '../../../engine/passes/index.ts';
import { findProjector, joinProjector, PLACES, TEXT, type Joined } from '../../../engine/recovery/projector.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import { MOST_BYTES, type Lesson, type Lessons } from './lessons.ts';

export interface ProjectorSubject {
  readonly joined: Joined;
  /** Lessons whose feeds are those of the joined model. */
  readonly lessons: Lessons;
}

const refuse = (reason: string): never => {
  throw new SecateurError('recover-refused', { reason });
};

/**
 * Values in front of the projector are computed once per picture.
 * @param open opens the package with the given models in place of its components
 * @throws 'recover-refused'
 */
export async function projectorSubject(o: {
  readonly parts: AnswerParts;
  readonly encoder: Model;
  readonly decoder: Model;
  readonly lessons: Lessons;
  readonly before: AnswerRunner;
  readonly open: (models: ReadonlyMap<string, Model>) => AnswerRunner;
}): Promise<ProjectorSubject> {
  const { parts, decoder, lessons: all } = o;
  const name = await featureName(o.before, all.lessons[0]!);
  const { model: encoder } = cloneModel(o.encoder);
  runPasses(encoder, [constantsToInitializers]);
  const features = encoder.graph.outputs.find((v) => v.name === name)!;
  const found = findProjector(encoder, features) ?? refuse('its vision component has no projector: no product with a matrix lies behind its last layer'); // prettier-ignore
  const merged = parts.kind === 'merged';
  const input = merged
    ? 'inputs_embeds'
    : (parts.decoder.inputs.find((p) => contextOf(p.name, parts.encoder!) === name)?.name ?? refuse('its decoder does not read the features')); // prettier-ignore
  const joined = joinProjector(decoder, encoder, { ...found, features, input, merged });

  const inner = found.from.map((v) => v.name);
  for (const v of found.from) {
    v.type ??= { elemType: DType.FLOAT };
    if (!v.isGraphOutput && v.producer) encoder.graph.outputs.push(v);
  }
  const tapped = o.open(new Map([[parts.encoder!.id, encoder]]));
  const pictures = new Map<string, Picture>();
  const lessons: Lesson[] = [];
  let { bytes } = all;
  for (const lesson of all.lessons) {
    const image = lesson.question.image!;
    let picture = pictures.get(image);
    if (!picture) {
      picture = await pictureOf(tapped, image, name, inner);
      bytes += picture.values.reduce((n, t) => n + t.data.byteLength, 0);
      pictures.set(image, picture);
    }
    lessons.push({ ...lesson, feeds: feedsOf(lesson, picture, joined, merged ? null : input) });
    if (merged) bytes += 4 * all.length * picture.rows;
    if (bytes > MOST_BYTES) refuse('what its projector reads takes more memory than 512 MiB for these pictures; give fewer'); // prettier-ignore
  }
  return { joined, lessons: { ...all, lessons, bytes } };
}

interface Picture {
  /** Values in front of the projector, in order. */
  readonly values: readonly HostTensor[];
  /** Feature rows behind it. */
  readonly rows: number;
}

/** The name of the output that the runner takes as features. */
async function featureName(runner: AnswerRunner, { question }: Lesson): Promise<string> {
  const { outputs, features } = await runner.encodeImage(question.image!);
  return Object.entries(outputs).find(([, t]) => t === features)![0];
}

async function pictureOf(runner: AnswerRunner, file: string, name: string, inner: readonly string[]): Promise<Picture> {
  const { outputs, image } = await runner.encodeImage(file);
  const dims = outputs[name]!.dims;
  const values = inner.map((v) => outputs[v] ?? image.tensors[v]!);
  if (dims.length !== 3 || [dims, ...values.map((t) => t.dims)].some((d) => d[0] !== 1))
    refuse('its vision component does not keep pictures apart along the first axis, as with tiles');
  return { values, rows: dims[1]! };
}

/** @param replaced input that becomes the features; null: features are merged into embeddings */
function feedsOf(
  { feeds, isImage }: Lesson,
  { values, rows }: Picture,
  joined: Joined,
  replaced: string | null,
): Lesson['feeds'] {
  // prettier-ignore
  const own = Object.fromEntries(joined.from.map((name, i) => [name, values[i]!]));
  if (replaced !== null) {
    const { [replaced]: _, ...others } = feeds;
    return { ...others, ...own };
  }
  const { inputs_embeds: embeds, ...others } = feeds;
  const [length, width] = embeds!.dims.slice(1) as [number, number];
  const text = Float32Array.from(embeds!.data as Float32Array);
  const places = new Float32Array(length * rows);
  let row = 0;
  for (const [at, image] of isImage.entries()) {
    if (!image) continue;
    text.fill(0, at * width, (at + 1) * width);
    places[at * rows + row++] = 1;
  }
  return {
    ...others,
    ...own,
    [TEXT]: { ...embeds!, data: text },
    [PLACES]: { dtype: DType.FLOAT, dims: [1, length, rows], data: places },
  };
}
