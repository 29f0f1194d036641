/** A decoder that drops image tokens, with a note in the file of how it does. */
import { writeImageNote } from '../../../families/image-tokens.ts';
import type { Model } from '../../../ir/model.ts';
import type { ImageRoute } from './image-mask.ts';
import { pruneDecoder } from './prune.ts';
import type { CutSchedule } from './schedule.ts';
import type { Decoder } from './types.ts';

/**
 * @param decoder the decoder that was found in the model
 * @param picture place of the first image token in a usual prompt, and number of image tokens
 * @param report adds an output `kept_tokens.K` for each cut
 * @throws SecateurError 'plan-invalid' where the cuts do not fit the decoder
 */
export function cutDecoder(
  { model, tokens }: Decoder,
  { cuts, left }: CutSchedule,
  route: ImageRoute,
  picture: { readonly start: number; readonly count: number },
  report = false,
): Model {
  const cut = pruneDecoder(model, cuts, { route, report });
  const known = new Set(model.graph.inputs.map((v) => v.name));
  const added = cut.graph.inputs.find((v) => !known.has(v.name))?.name ?? null;
  writeImageNote(cut, {
    route: route.route,
    input: route.route === 'flag' ? tokens.name : added,
    start: picture.start,
    count: picture.count,
    cuts: cuts.map(({ layer }, i) => ({ layer, left: left[i]! / picture.count })),
  });
  return cut;
}
