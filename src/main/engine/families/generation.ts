/** Phases of a decoder that generates tokens one by one: the whole prompt at once, then one run per token. */
import type { Metric, Phase } from '../../../shared/model/package.ts';
import type { ComponentShape, PackageShape, Setting } from './contract.ts';
import { shortened } from './image-tokens.ts';
import { configNumber, dimsFor, hasCache } from './ports.ts';

export const TOKENS: Setting = {
  name: 'tokens',
  about: 'tokens of the answer',
  least: 1,
  most: 100_000,
  default: () => 32,
};

/** Head size of a cache whose last axis is dynamic. */
export const headSizeOf = (pkg: PackageShape): number | undefined => {
  const direct = configNumber(pkg, ['head_size', 'head_dim'], ['text_config', 'decoder']);
  if (direct !== null) return direct;
  const [width, heads] = [
    configNumber(pkg, ['hidden_size', 'n_embd'], ['text_config', 'decoder']),
    configNumber(pkg, ['num_attention_heads', 'n_head'], ['text_config', 'decoder']),
  ];
  return width !== null && heads !== null ? width / heads : undefined;
};

export interface Generation {
  readonly decoder: ComponentShape;
  readonly embedding: ComponentShape | undefined;
  /** Prompt length in tokens, images included. */
  readonly prompt: number;
  readonly tokens: number;
  /** Number of encoder tokens that the decoder attends to, or that are merged into the prompt. */
  readonly encoded?: number;
}

/**
 * The phases `embed`, `prefill`, `embed-step` and `decode`. `decode` uses the cache length at the middle of the answer.
 * A decoder without a cache reads the whole sequence again for each token. Caches behind cuts of image tokens are shorter.
 */
export function generationPhases(pkg: PackageShape, g: Generation): Phase[] {
  const { decoder, embedding, prompt, tokens, encoded } = g;
  const more = tokens - 1;
  const half = prompt + Math.floor(more / 2);
  const headSize = headSizeOf(pkg);
  const shared = { batch: 1, ...(headSize !== undefined && { headSize }), ...(encoded !== undefined && { encoded }) };
  const phase = (name: string, c: ComponentShape, repeat: number, sizes: { fresh: number; past?: number }): Phase => ({
    name,
    component: c.id,
    repeat,
    dims: shortened(c, dimsFor(c, { ...shared, ...sizes }), encoded ?? 0),
  });
  const cached = hasCache(decoder);
  const step = cached ? { fresh: 1, past: half } : { fresh: half };
  return [
    ...(embedding ? [phase('embed', embedding, 1, { fresh: prompt })] : []),
    phase('prefill', decoder, 1, { fresh: prompt, past: 0 }),
    ...(more > 0 && embedding && cached ? [phase('embed-step', embedding, more, { fresh: 1 })] : []),
    ...(more > 0 ? [phase('decode', decoder, more, step)] : []),
  ];
}

/**
 * Metrics: total, first token, and per token.
 * @param before phases that run once before the decoder
 */
export function generationMetrics(phases: readonly Phase[], about: string): Metric[] {
  const isStep = (p: Phase): boolean => p.name === 'decode' || p.name === 'embed-step';
  const weights = (list: readonly Phase[], of: (p: Phase) => number): Record<string, number> =>
    Object.fromEntries(list.map((p) => [p.name, of(p)]));
  const steps = phases.filter(isStep);
  return [
    { name: 'total', about, weights: weights(phases, (p) => p.repeat) },
    {
      name: 'first-token',
      about: 'until the first token',
      weights: weights(
        phases.filter((p) => !isStep(p)),
        (p) => p.repeat,
      ),
    },
    ...(steps.length > 0 ? [{ name: 'per-token', about: 'each further token', weights: weights(steps, () => 1) }] : []),
  ];
}
