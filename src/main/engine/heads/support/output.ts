/** An output as it is looked at to find out what it means. */
import { DType } from '../../ir/dtype.ts';
import type { GraphEnd } from './ends.ts';

export interface Output {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dtype: number;
  readonly end: GraphEnd;
  /** Rank 2 once trailing axes of one are gone. */
  readonly flat: boolean;
  /** Of a flat output. */
  readonly width: number;
}

export const FLOATS: readonly number[] = [DType.FLOAT, DType.FLOAT16, DType.DOUBLE];
const NAMES = {
  classes: /(^|[^a-z])(logits?|prob(s|abilit(y|ies))?|scores?|class(es|ifier|ification)?|cls|softmax|labels?)($|[^a-z])/i,
  embedding: /embed|(^|[^a-z])(feat(ure)?s?|descriptors?|pooler|vectors?|repr(esentation)?s?|latents?)($|[^a-z])/i,
  numbers: /regress|(^|[^a-z])(bbox(es)?|box(es)?|coord(inate)?s?|landmarks?|keypoints?|angles?|values?|depth|disp(arity)?|flow|offsets?|deltas?|pose|age|mean|sigma|noise|eps(ilon)?|targets?)($|[^a-z])/i,
  map: /(^|[^a-z])(seg(ment(ation)?)?|masks?|logits?|class(es)?|prob(s|abilit(y|ies))?|heatmaps?|maps?)($|[^a-z])/i,
} as const; // prettier-ignore
export const named = (o: Output, as: keyof typeof NAMES): boolean =>
  o.end.names.slice(0, 3).some((n) => NAMES[as].test(n.replace(/([a-z])([A-Z])/g, '$1_$2').replaceAll('_', ' ')));
