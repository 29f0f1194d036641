/**
 * Decoders that drop image tokens decide by the last token of the prompt. Behind an answer they would decide by another
 * one, so training is given the tokens that they keep for each prompt at its beginning.
 */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { Executor, HostTensor } from '../../../engine/executor.ts';
import { cloneModel } from '../../../engine/ir/clone.ts';
import { dataDependent } from '../../../engine/ir/dependence.ts';
import { DType } from '../../../engine/ir/dtype.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { Value } from '../../../engine/ir/value.ts';
import { KEPT_PLACES } from '../../../engine/structures/tokens/decoder/stage.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import type { Lesson, Lessons } from './lessons.ts';
import type { Feeds } from './recorder.ts';

export interface FixedSelections {
  /** The decoder with an input for the places that each cut keeps. */
  readonly model: Model;
  readonly lessons: Lessons;
}

/** Places [tokens] that are chosen by the data, in the order of the graph. */
function selectionsIn(model: Model): Value[] {
  const depends = dataDependent(model);
  return [...model.graph.nodes()].flatMap((n) => n.outputs).filter((v) => v.name.startsWith(KEPT_PLACES) && depends.has(v)); // prettier-ignore
}

/**
 * @param open opens the package with a model in place of its decoder, in an executor
 * @returns null for a decoder that keeps all tokens
 * @throws 'recover-refused' where prompts keep different numbers of tokens
 */
export async function fixedSelections(
  decoder: Model,
  all: Lessons,
  executor: Executor,
  open: (decoder: Model, executor: Executor) => AnswerRunner,
): Promise<FixedSelections | null> {
  const { model } = cloneModel(decoder);
  const selections = selectionsIn(model);
  if (selections.length === 0) return null;
  const { model: tapped, values } = cloneModel(model);
  for (const v of selections) {
    const out = values.get(v)!;
    out.type = { elemType: DType.INT64 };
    tapped.graph.outputs.push(out);
  }
  let seen: Feeds = {};
  const runner = open(tapped, {
    open: async (m, options) => {
      const session = await executor.open(m, options);
      if (m !== tapped) return session;
      const run: typeof session.run = async (feeds, fetches) => (seen = await session.run(feeds, fetches));
      return { inputNames: session.inputNames, outputNames: session.outputNames, outputDtypes: session.outputDtypes, run, release: () => session.release() }; // prettier-ignore
    },
  });
  const lessons: Lesson[] = [];
  for (const lesson of all.lessons) {
    await runner.prefillLogits(lesson.question);
    const behind = all.length - lesson.first - 1;
    const kept: Record<string, HostTensor> = {};
    let before = lesson.first + 1;
    for (const v of selections) {
      const places = Array.from(seen[v.name]!.data as BigInt64Array);
      const data = BigInt64Array.from([...places, ...Array.from({ length: behind }, (_, i) => BigInt(before + i))]);
      kept[inputName(v)] = { dtype: DType.INT64, dims: [data.length], data };
      before = places.length;
    }
    const dropped = lesson.first + 1 - before;
    lessons.push({ ...lesson, first: lesson.first - dropped, feeds: { ...lesson.feeds, ...kept } });
  }
  for (const v of selections) {
    const input = model.graph.addInput(inputName(v), { elemType: DType.INT64, shape: [null] });
    v.replaceAllUsesWith(input);
  }
  refuseDifferent(lessons, selections.map(inputName));
  return { model, lessons: { ...all, lessons } };
}

const inputName = (v: Value): string => `${v.name}__kept`;

function refuseDifferent(lessons: readonly Lesson[], names: readonly string[]): void {
  for (const name of names)
    if (lessons.some((l) => l.feeds[name]!.data.length !== lessons[0]!.feeds[name]!.data.length))
      throw new SecateurError('recover-refused', {
        reason: 'its decoder keeps another number of tokens for each prompt',
      });
}
