/** Sizes of a component's dynamic axes, derived from the port names of common exporters. */
import type { ComponentShape, PackageShape } from './contract.ts';

export interface Sizes {
  readonly batch: number;
  /** New tokens of this run. */
  readonly fresh?: number;
  /** Number of cached tokens. */
  readonly past?: number;
  /** Number of encoder tokens. */
  readonly encoded?: number;
  /** Side of an image or a latent, in its own units. */
  readonly side?: number;
  /** Head width, where a cache leaves it dynamic. */
  readonly headSize?: number;
}

/**
 * Sizes by axis name. An axis whose name is an expression also gets a size, because some exporters use operand names
 * that no axis has.
 */
export function dimsFor(component: ComponentShape, sizes: Sizes): Record<string, number> {
  const dims: Record<string, number> = {};
  const set = (name: number | string | undefined, size: number | undefined): void => {
    if (typeof name === 'string' && size !== undefined && !(name in dims)) dims[name] = size;
  };
  for (const { name, shape } of component.inputs) {
    const rank = shape.length;
    if (/^past_|^past\.|cache/i.test(name) && rank === 4) {
      set(shape[0], sizes.batch);
      set(shape[2], sizes.past);
      set(shape[3], sizes.headSize);
    } else if (/mask/i.test(name) && rank === 2) {
      set(shape[0], sizes.batch);
      set(shape[1], /encoder/i.test(name) ? sizes.encoded : total(sizes));
    } else if (/position_ids/i.test(name)) {
      set(shape[rank - 2], sizes.batch);
      set(shape[rank - 1], sizes.fresh);
    } else if (/encoder_hidden_states|image_features/i.test(name)) {
      // Features that are merged into a prompt have no batch axis.
      if (rank === 3) set(shape[0], sizes.batch);
      set(shape[rank - 2], sizes.encoded);
    } else if (/input_ids|inputs_embeds/i.test(name)) {
      set(shape[0], sizes.batch);
      set(shape[1], sizes.fresh);
    } else if (rank >= 4) {
      set(shape[0], sizes.batch);
      // [batch, images, channels, height, width] for packages that take several images.
      if (rank === 5) set(shape[1], 1);
      for (const axis of [rank - 2, rank - 1]) set(shape[axis], sizes.side);
    } else set(shape[0], sizes.batch);
  }
  return dims;
}

const total = ({ fresh, past }: Sizes): number | undefined => (fresh === undefined ? undefined : fresh + (past ?? 0));

export const withRole = (pkg: PackageShape, ...roles: readonly ComponentShape['role'][]): ComponentShape[] =>
  pkg.components.filter((c) => roles.includes(c.role));

export const hasInput = (c: ComponentShape, name: RegExp): boolean => c.inputs.some((p) => name.test(p.name));

/** True for a decoder that keeps keys and values between its runs. */
export const hasCache = (c: ComponentShape): boolean => hasInput(c, /^past_|^past\.|cache_(key|value)/i);

/**
 * The first number with one of the names in the package's configuration, nested sections included.
 * @param sections names of sections to search first
 */
export function configNumber(
  pkg: PackageShape,
  names: readonly string[],
  sections: readonly string[] = [],
): number | null {
  const roots = Object.entries(pkg.configs).sort(([a], [b]) => a.split('/').length - b.split('/').length);
  const find = (value: unknown, depth: number): number | null => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || depth > 4) return null;
    const record = value as Record<string, unknown>;
    for (const name of names) if (typeof record[name] === 'number') return record[name];
    for (const inner of Object.values(record)) {
      const found = find(inner, depth + 1);
      if (found !== null) return found;
    }
    return null;
  };
  for (const section of sections)
    for (const [, root] of roots) {
      const found = find((root as Record<string, unknown> | null)?.[section], 0);
      if (found !== null) return found;
    }
  for (const [, root] of roots) {
    const found = find(root, 0);
    if (found !== null) return found;
  }
  return null;
}

/** The configuration beside a component, or an empty one. */
export function configOf(pkg: PackageShape, c: ComponentShape): Readonly<Record<string, unknown>> {
  const folder = c.file.split('/').slice(0, -1).join('/');
  return (pkg.configs[folder === '' ? 'config.json' : `${folder}/config.json`] ?? {}) as Record<string, unknown>;
}
