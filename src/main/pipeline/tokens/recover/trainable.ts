/** The weights of a package that recovery trains, with the graph that they are trained in. */
import { SecateurError } from '../../../../shared/contract/errors.ts';
import type { RecoverRequest } from '../../../../shared/model/token-recovery.ts';
import type { Executor } from '../../../engine/executor.ts';
import type { AnswerParts } from '../../../engine/generation/parts.ts';
import type { Model } from '../../../engine/ir/model.ts';
import { matricesIn } from '../../../engine/recovery/adapters.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';
import { decoderWriter, withWeights } from './decoders.ts';
import { fixedSelections } from './fixed-selections.ts';
import { floatsOf, type Subject } from './learn.ts';
import { projectorSubject } from './projector-subject.ts';

export interface Trainable extends Subject {
  /** Components with new weights, by id. */
  models(weights: ReadonlyMap<string, Float32Array>): Map<string, Model>;
}

/**
 * @param o `open` opens the reduced package with other models in place of some components
 * @throws 'recover-refused'
 */
export async function trainableOf(
  o: Pick<Subject, 'lessons' | 'choose' | 'before'> & {
    readonly parts: AnswerParts;
    readonly fewer: ReadonlyMap<string, Model>;
    readonly executor: Executor;
    readonly open: (models: ReadonlyMap<string, Model>, executor?: Executor) => AnswerRunner;
  },
  by: RecoverRequest['by'],
): Promise<Trainable> {
  const { parts, fewer, choose, before } = o;
  const { decoder, next, encoder } = parts;
  const whole = fewer.get(decoder.id)!;
  const fixed = await fixedSelections(whole, o.lessons, o.executor, (m, executor) => o.open(new Map([[decoder.id, m]]), executor)); // prettier-ignore
  const { model, lessons } = fixed ?? { model: whole, lessons: o.lessons };
  if (by !== 'projector') {
    const writer = decoderWriter([decoder.id, whole], next && [next.id, fewer.get(next.id)!]);
    return {
      model,
      matrices: (graph) => matricesIn(graph).filter((v) => writer.names.has(v.name)),
      without: 'its decoder has no float32 matrices',
      weights: floatsOf(model.graph.initializers),
      models: (weights) => writer.models(weights),
      lessons,
      choose,
      before,
      fixed: fixed !== null,
    };
  }
  if (!encoder) throw new SecateurError('recover-refused', { reason: 'it has no vision component' });
  const vision = fewer.get(encoder.id)!;
  const { joined, lessons: own } = await projectorSubject({ parts, encoder: vision, decoder: model, lessons, before, open: o.open }); // prettier-ignore
  return {
    model: joined.model,
    matrices: (graph) => matricesIn(graph).filter((v) => joined.matrices.has(v.name)),
    without: 'its projector has no float32 matrices',
    weights: floatsOf(vision.graph.initializers),
    models: (weights) => new Map([[encoder.id, withWeights(vision, new Map([...weights].map(([name, data]) => [joined.matrices.get(name)!, data])))]]), // prettier-ignore
    lessons: own,
    choose,
    before,
    fixed: fixed !== null,
  };
}
