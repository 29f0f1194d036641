import { seededRandom } from '../../../../random.ts';
import { f32 } from '../../../../ir/tensor.ts';
import { int } from '../../../../ir/attribute.ts';
import type { DecoderCriterion } from './criterion.ts';

/** Beyond so many image tokens the order repeats. */
const TABLE = 4096;

/** A fixed random order of the image tokens: the baseline that any criterion has to beat. */
export const criterion: DecoderCriterion = {
  name: 'random',
  summary: 'Random image tokens, the same ones for the same seed',
  recommended: [{ depth: 0.25, keep: 0.5 }],
  emit({ b, ordinal, seed }) {
    const order = seededRandom(seed).shuffle(Float32Array.from({ length: TABLE }, (_, i) => i));
    const place = b.op('Mod', [ordinal, b.ints([TABLE])]);
    return { scores: b.op('Gather', [b.tensor(f32(order, [TABLE]), 'order'), place], { axis: int(0) }) };
  },
};
