import type { DecoderCriterion } from './criterion.ts';
import { attentionOnRun } from './attention-share.ts';

/**
 * PyramidDrop (Xing et al. 2024, arXiv:2410.17247): attention of the last token by the queries and keys of the layer
 * behind the cut, with rotary positions and over all keys, as the mean over heads. Half of the image tokens go at each of
 * three cuts. Kept tokens keep their positions; the authors' code counts them anew.
 */
export const criterion: DecoderCriterion = {
  name: 'pyramiddrop',
  summary: 'Attention of the last token in the layer behind the cut, in three steps (PyramidDrop)',
  recommended: [
    { depth: 0.25, keep: 0.5 },
    { depth: 0.5, keep: 0.25 },
    { depth: 0.75, keep: 0.125 },
  ],
  emit: (ctx) => ({ scores: attentionOnRun(ctx, 'behind') }),
};
