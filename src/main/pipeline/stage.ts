/**
 * Keyed values, and the three ways to derive one from others: a stage (its result is stored in the
 * artifact store), a derived value (computed every time) and figures (numbers stored one by one).
 * The key of a result is the hash of the name, the version and the keys of the inputs, so no key is
 * written by hand; leaves.ts defines the leaf keys.
 * Definitions stand at the top of a module. Their `run` sees only the values of the declared inputs
 * and the tools of its context.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../storage/canonical.ts';
import type { Checkpoint, Figures, StageContext } from './context.ts';

class KeyedValue<T> {
  readonly value: T;
  /** sha256, hex, of everything that determines the value. */
  readonly key: string;
  /** Makes the type nominal: an object with a value and a key is not a keyed value. */
  protected readonly made = true;

  constructor(value: T, key: string) {
    this.value = value;
    this.key = key;
  }
}

/** A value with the key of its inputs. Only this module creates one. */
export type Keyed<T> = KeyedValue<T>;
/** A value that is computed once, on first use. */
export type Lazy<T> = () => Promise<T>;

/** The type of an input, for the compiler: see `input`. */
export interface Input<T> {
  readonly type: T;
}
/** Declares an input of a stage. */
export const input = <T>(): Input<T> => ({}) as Input<T>;

type Declared = Readonly<Record<string, Input<unknown>>>;
/** The values that `run` receives. */
export type Values<D extends Declared> = { readonly [K in keyof D]: D[K]['type'] };
/** The keyed values that a caller passes. */
export type Given<D extends Declared> = { readonly [K in keyof D]: Keyed<D[K]['type']> };

interface Definition<D extends Declared> {
  readonly name: string;
  /**
   * Raise it when the same inputs lead to another result, or when the form of the stored result
   * changes.
   */
  readonly version: number;
  /** Inputs that the result depends on. */
  readonly inputs: D;
}

/** The common interface of all three. */
export interface Defined<D extends Declared> {
  readonly name: string;
  readonly version: number;
  /** Names of the inputs. */
  readonly inputs: readonly string[];
  /** The key of the result. Properties that are not inputs are ignored. */
  key(given: Given<D>): string;
}

/** How the result of a stage is stored in its folder. `made` is set when it was just computed. */
export interface Codec<M, T, V> {
  write(folder: string, made: M, values: V): Promise<void> | void;
  read(folder: string, values: V, made?: M): Promise<T> | T;
}

export interface StageSpec<D extends Declared, C, M, T> extends Definition<D> {
  /**
   * @param tools.given the inputs with their keys, for stages within this one
   * @param tools.checkpoint survives a crash, until the result is complete
   */
  readonly run: (
    values: Values<D>,
    ctx: C,
    tools: { readonly given: Given<D>; readonly checkpoint: Checkpoint },
  ) => Promise<M> | M;
  readonly codec: Codec<M, T, Values<D>>;
}

export interface Stage<D extends Declared, C, T> extends Defined<D> {
  /**
   * Runs the stage, or reads its result from the store. @throws errors of `run`; nothing is stored
   * then
   */
  run(given: Given<D>, ctx: C & Pick<StageContext, 'artifact'>): Promise<Keyed<T>>;
}

export function stage<const D extends Declared, C, M, T = M>(spec: StageSpec<D, C, M, T>): Stage<D, C, T> {
  const common = define(spec);
  return {
    ...common,
    async run(given, ctx) {
      const values = valuesOf(spec, given);
      let made: M | undefined;
      const folder = await ctx.artifact(spec.name, partsOf(spec, given), async (to, checkpoint) => {
        made = await spec.run(values, ctx, { given: declaredOf(spec, given), checkpoint });
        await spec.codec.write(to, made, values);
      });
      return new KeyedValue(await spec.codec.read(folder, values, made), common.key(given));
    },
  };
}

export interface DerivedSpec<D extends Declared, C, T> extends Definition<D> {
  readonly run: (values: Values<D>, ctx: C, tools: { readonly given: Given<D> }) => Promise<T> | T;
  /**
   * Content of the value that is part of its key. A change of the code that computes the value then
   * needs no new version.
   */
  readonly content?: (value: T) => unknown;
}

export interface Derived<D extends Declared, C, T> extends Defined<D> {
  run(given: Given<D>, ctx: C): Promise<Keyed<T>>;
  /**
   * The same value under the same key, computed on first use. Not available when the content is
   * part of the key.
   */
  later(given: Given<D>, ctx: C): Keyed<Lazy<T>>;
}

export function derived<const D extends Declared, C, T>(spec: DerivedSpec<D, C, T>): Derived<D, C, T> {
  const common = define(spec);
  const { content } = spec;
  return {
    ...common,
    async run(given, ctx) {
      const value = await spec.run(valuesOf(spec, given), ctx, { given: declaredOf(spec, given) });
      const key = common.key(given);
      return new KeyedValue(value, content ? hashOf({ key, content: content(value) }) : key);
    },
    later(given, ctx) {
      if (content) throw new TypeError(`${spec.name}: its key needs its content`);
      let made: Promise<T> | null = null;
      const make = async (): Promise<T> => spec.run(valuesOf(spec, given), ctx, { given: declaredOf(spec, given) });
      return new KeyedValue(() => (made ??= make()), common.key(given));
    },
  };
}

/** Resolves a lazy value to the value itself, under the same key. */
export const now = async <T>({ value, key }: Keyed<Lazy<T>>): Promise<Keyed<T>> => new KeyedValue(await value(), key);

export interface KeptFigures<D extends Declared> extends Defined<D> {
  open(given: Given<D>, ctx: Pick<StageContext, 'memo'>): Figures;
  /**
   * A measured value under the key of these figures. The key describes the conditions and not the
   * numbers, so results built on a measurement are found again when it is repeated.
   */
  measured<T>(given: Given<D>, value: T): Keyed<T>;
}

/** Figures that are stored as they are found, across jobs and crashes. */
export function figures<const D extends Declared>(spec: Definition<D>): KeptFigures<D> {
  const common = define(spec);
  return {
    ...common,
    open: (given, ctx) => ctx.memo(spec.name, partsOf(spec, given)),
    measured: (given, value) => new KeyedValue(value, common.key(given)),
  };
}

/**
 * A leaf value of keys; only for leaves.ts.
 * @param identity plain JSON that distinguishes this value from others of its kind
 */
export const leaf = <T>(kind: string, identity: unknown, value: T): Keyed<T> =>
  new KeyedValue(value, hashOf({ leaf: kind, identity }));

const all = new Map<string, Defined<Declared>>();
/** All loaded definitions, for the test that changes the inputs of each. @internal */
export const definitions = (): readonly Defined<Declared>[] => [...all.values()];

function define<D extends Declared>(spec: Definition<D>): Defined<D> {
  const { name, version } = spec;
  if (all.has(name)) throw new TypeError(`two stages are called ${name}`);
  const common: Defined<D> = {
    name,
    version,
    inputs: Object.keys(spec.inputs),
    key: (given) => hashOf({ name, ...partsOf(spec, given) }),
  };
  all.set(name, common as unknown as Defined<Declared>);
  return common;
}

/** The parts of a result's key besides the name. */
const partsOf = <D extends Declared>({ version, inputs }: Definition<D>, given: Given<D>) => ({
  version,
  inputs: Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!.key])),
});

/** Picks the declared inputs from an object that may hold more. */
const declaredOf = <D extends Declared>({ inputs }: Definition<D>, given: Given<D>): Given<D> =>
  Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!])) as Given<D>;

const valuesOf = <D extends Declared>({ inputs }: Definition<D>, given: Given<D>): Values<D> =>
  Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!.value])) as Values<D>;

const hashOf = (parts: unknown): string => createHash('sha256').update(canonicalJson(parts)).digest('hex');

/** A result that is plain JSON, stored in one file. */
export const jsonFile = <T>(name: string): Codec<T, T, unknown> => ({
  write: (folder, made) => writeFile(join(folder, name), JSON.stringify(made)),
  read: async (folder) => JSON.parse(await readFile(join(folder, name), 'utf8')) as T,
});
