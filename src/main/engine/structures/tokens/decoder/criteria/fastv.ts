import type { DecoderCriterion } from './criterion.ts';
import { attentionOnRun } from './attention-share.ts';

/**
 * FastV (Chen et al. 2024, arXiv:2403.06764): attention of the last token in the layer before the cut, with rotary
 * positions and over all keys, as the mean over heads.
 */
export const criterion: DecoderCriterion = {
  name: 'fastv',
  summary: 'Attention of the last token in the layer before the cut (FastV)',
  recommended: [{ depth: 0.0625, keep: 0.5 }],
  emit: (ctx) => ({ scores: attentionOnRun(ctx, 'before') }),
};
