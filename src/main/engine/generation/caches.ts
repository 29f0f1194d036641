/** The caches of a decoder, read from its ports. Every tensor has its own shape: layers may differ in length. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { ComponentShape, PackageShape, PortShape } from '../families/contract.ts';
import { configNumber } from '../families/ports.ts';
import { headSizeOf } from '../families/generation.ts';
import { CACHE_AXIS } from '../families/named-inputs.ts';

export interface CachePort {
  /** Input of the decoder. */
  readonly past: string;
  /** Output that the next run gets as `past`; null for an input that keeps its first value. */
  readonly present: string | null;
  /** Shape before the first token. */
  readonly empty: readonly number[];
  /** Keys or values of the encoder's states, which do not change after the first run. */
  readonly crossed: boolean;
}

const isPast = (name: string): boolean => /^past_|^past\./i.test(name);

/** Caches of cross-attention, as optimum names them. */
const isCrossed = (name: string): boolean => /\.encoder\./i.test(name);

/** @throws 'run-package' for a cache whose output is missing or whose shape before the first token is not known */
export function cachesOf(decoder: ComponentShape, pkg: PackageShape): CachePort[] {
  const outputs = new Set(decoder.outputs.map((p) => p.name));
  return decoder.inputs
    .filter((p) => isPast(p.name))
    .map((port) => {
      const present = presentOf(port.name, outputs);
      const crossed = isCrossed(port.name);
      // A decoder for further tokens only need not return what never changes.
      if (present === null && !crossed)
        throw new SecateurError('run-package', {
          reason: `${decoder.id} takes the cache ${port.name} and returns none that continues it`,
        });
      return { past: port.name, present, empty: emptyShape(decoder, port, pkg), crossed };
    });
}

/** The output that continues a cache: `past_key_values.0.key` is continued by `present.0.key`. */
export function presentOf(past: string, outputs: ReadonlySet<string>): string | null {
  const rest = past.replace(/^past(_key_values)?/i, '');
  const names = [`present${rest}`, `present_key_values${rest}`, past.replace(/^past/i, 'present')];
  return names.find((name) => outputs.has(name)) ?? null;
}

function emptyShape(decoder: ComponentShape, { name, shape }: PortShape, pkg: PackageShape): number[] {
  const refuse = (reason: string): never => {
    throw new SecateurError('run-package', { reason: `the cache ${name} of ${decoder.id} ${reason}` });
  };
  return shape.map((size, axis) => {
    if (axis === 0) return typeof size === 'number' ? size : 1;
    if (shape.length === 4 && axis === CACHE_AXIS) {
      if (typeof size === 'number') return refuse(`has ${size} fixed places, and only growing caches can be run`);
      return /sliding|window/i.test(size) ? refuse('is a window, and only growing caches can be run') : 0;
    }
    if (typeof size === 'number') return size;
    const known = shape.length !== 4 ? null : axis === 1 ? headsOf(pkg) : headSizeOf(pkg);
    return known ?? refuse(`has the unknown size ${size}`);
  });
}

const SECTIONS = ['text_config', 'decoder'];

const headsOf = (pkg: PackageShape): number | null =>
  configNumber(pkg, ['num_key_value_heads'], SECTIONS) ??
  configNumber(pkg, ['num_attention_heads', 'n_head'], SECTIONS);
