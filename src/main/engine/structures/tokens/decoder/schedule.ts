/** Where a decoder drops image tokens and how many it keeps, for a number of tokens behind the last cut. */
import { decoderCriterion } from './criteria/registry.ts';
import { recommendedCuts, type TokenCut } from './stage.ts';
import type { Decoder } from './types.ts';

export interface CutRequest {
  /** Image tokens of a prompt. */
  readonly count: number;
  /** Image tokens that the last cut keeps of them. */
  readonly keep: number;
  /** Layers whose input loses tokens, counted from 0; null for those that the criterion recommends. */
  readonly layers: readonly number[] | null;
  /** Columns of the image's grid, or null. */
  readonly columns: number | null;
}

export interface CutSchedule {
  readonly cuts: readonly TokenCut[];
  /** Image tokens that each cut is to keep. */
  readonly kept: readonly number[];
  /** Most image tokens that are left behind each cut; a criterion may keep some beyond the number. */
  readonly left: readonly number[];
}

/**
 * Cuts that keep equal ratios from one to the next, as those of FEATHER (0.3, 0.09) and PyramidDrop (1/2, 1/4, 1/8) do.
 * The numbers are kept as shares of the image tokens, so that pictures of several tiles keep as much of each tile.
 */
export function cutsFor(
  decoder: Decoder,
  criterion: string,
  { count, keep, layers, columns }: CutRequest,
): CutSchedule | { readonly refused: string } {
  const at = layers ?? recommendedCuts(decoder, criterion).map((c) => c.layer);
  const refused = at.length === 0 ? noLayer(decoder) : refusedLayers(decoder, at);
  if (refused !== null) return { refused };
  const cuts: TokenCut[] = [];
  const kept: number[] = [];
  const left: number[] = [];
  for (const [i, layer] of at.entries()) {
    const some = i + 1 === at.length ? keep : Math.round(count * (keep / count) ** ((i + 1) / at.length));
    const more = decoderCriterion(criterion)!.beyond?.(count, columns, i) ?? 0;
    // A quotient may be rounded down in its last digit, and its product with the count then loses one token.
    cuts.push({ layer, keep: { ratio: Math.min(1, (some + 1e-6) / count) }, criterion, ...(columns !== null && { columns }) }); // prettier-ignore
    kept.push(some);
    left.push(Math.min(left.at(-1) ?? count, some + more));
  }
  return { cuts, kept, left };
}

/** Why tokens can be dropped before no layer. */
const noLayer = ({ layers }: Decoder): string =>
  layers.length < 2 ? 'the decoder has one layer, which keeps the whole cache' : layers.at(-1)!.blocked!;

function refusedLayers({ layers }: Decoder, at: readonly number[]): string | null {
  for (const [i, k] of at.entries()) {
    const layer = layers[k];
    if (!layer)
      return `the decoder has no layer ${k}; tokens can be dropped before the layers 1 to ${layers.length - 1}`;
    if (layer.blocked !== null) return `tokens cannot be dropped before layer ${k}: ${layer.blocked}`;
    if (i > 0 && k <= at[i - 1]!) return 'layers must be given from the first to the last, each one once';
  }
  return null;
}
