/**
 * Keyed values, and the three ways to make one from others: a stage (its result is kept in the artifact store), a derived
 * value (computed every time) and figures (numbers kept one by one). The key of a result is the hash of the name, the
 * version and the keys of the inputs, so no key is written by hand: leaves.ts has the keys that everything begins with.
 *
 * Definitions stand at the top of a module. Their `run` sees the values of the declared inputs and the tools of its
 * context, and nothing else of a job.
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../storage/canonical.ts';
import type { Checkpoint, Figures, StageContext } from './context.ts';

class KeyedValue<T> {
  readonly value: T;
  /** sha256, hex, of what made the value. */
  readonly key: string;
  /** Makes the type nominal: an object with a value and a key is not a keyed value. */
  protected readonly made = true;

  constructor(value: T, key: string) {
    this.value = value;
    this.key = key;
  }
}

/** A value with the key of what made it. Only this module makes one. */
export type Keyed<T> = KeyedValue<T>;
/** A value that is made when it is first asked for, and once. */
export type Lazy<T> = () => Promise<T>;

/** The type of an input, for the compiler: see `input`. */
export interface Input<T> {
  readonly type: T;
}
/** Declares an input of a stage. */
export const input = <T>(): Input<T> => ({}) as Input<T>;

type Declared = Readonly<Record<string, Input<unknown>>>;
/** What `run` reads. */
export type Values<D extends Declared> = { readonly [K in keyof D]: D[K]['type'] };
/** What a caller gives. */
export type Given<D extends Declared> = { readonly [K in keyof D]: Keyed<D[K]['type']> };

interface Definition<D extends Declared> {
  readonly name: string;
  /** Raised when the same inputs lead to another result than before, or when the form of what is kept changes. */
  readonly version: number;
  /** What the result depends on. */
  readonly inputs: D;
}

/** What all three have in common. */
export interface Defined<D extends Declared> {
  readonly name: string;
  readonly version: number;
  /** Names of the inputs. */
  readonly inputs: readonly string[];
  /** The key of the result. Properties that are no inputs are left out. */
  key(given: Given<D>): string;
}

/** How the result of a stage lies in its folder. `made` is there when it was made just now. */
export interface Codec<M, T, V> {
  write(folder: string, made: M, values: V): Promise<void> | void;
  read(folder: string, values: V, made?: M): Promise<T> | T;
}

export interface StageSpec<D extends Declared, C, M, T> extends Definition<D> {
  /**
   * @param tools.given the inputs with their keys, for stages within this one
   * @param tools.checkpoint outlives a crash, until the result is complete
   */
  readonly run: (
    values: Values<D>,
    ctx: C,
    tools: { readonly given: Given<D>; readonly checkpoint: Checkpoint },
  ) => Promise<M> | M;
  readonly codec: Codec<M, T, Values<D>>;
}

export interface Stage<D extends Declared, C, T> extends Defined<D> {
  /** Runs the stage, or takes its result from the store. @throws what `run` throws; then nothing is kept */
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
  /** What of the value goes into its key as well. Where it is given, a change of the code shows without a new version. */
  readonly content?: (value: T) => unknown;
}

export interface Derived<D extends Declared, C, T> extends Defined<D> {
  run(given: Given<D>, ctx: C): Promise<Keyed<T>>;
  /** The same value under the same key, made when it is asked for. Not where the content goes into the key. */
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

/** A lazy value as the value itself, under the same key. */
export const now = async <T>({ value, key }: Keyed<Lazy<T>>): Promise<Keyed<T>> => new KeyedValue(await value(), key);

export interface KeptFigures<D extends Declared> extends Defined<D> {
  open(given: Given<D>, ctx: Pick<StageContext, 'memo'>): Figures;
  /**
   * A value that was measured, under the key of these figures: it tells the conditions and not the numbers, so that what
   * is built on a measurement is found again when it is repeated.
   */
  measured<T>(given: Given<D>, value: T): Keyed<T>;
}

/** Figures that are kept as they are found, across jobs and crashes. */
export function figures<const D extends Declared>(spec: Definition<D>): KeptFigures<D> {
  const common = define(spec);
  return {
    ...common,
    open: (given, ctx) => ctx.memo(spec.name, partsOf(spec, given)),
    measured: (given, value) => new KeyedValue(value, common.key(given)),
  };
}

/**
 * A value that keys begin with; for leaves.ts alone.
 * @param identity plain JSON that tells one value of this kind from another
 */
export const leaf = <T>(kind: string, identity: unknown, value: T): Keyed<T> =>
  new KeyedValue(value, hashOf({ leaf: kind, identity }));

const all = new Map<string, Defined<Declared>>();
/** Every definition that was loaded, for the test that changes the inputs of each. @internal */
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

/** What a result is kept under, beside the name. */
const partsOf = <D extends Declared>({ version, inputs }: Definition<D>, given: Given<D>) => ({
  version,
  inputs: Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!.key])),
});

/** The inputs alone, of an object that may hold more. */
const declaredOf = <D extends Declared>({ inputs }: Definition<D>, given: Given<D>): Given<D> =>
  Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!])) as Given<D>;

const valuesOf = <D extends Declared>({ inputs }: Definition<D>, given: Given<D>): Values<D> =>
  Object.fromEntries(Object.keys(inputs).map((name) => [name, given[name]!.value])) as Values<D>;

const hashOf = (parts: unknown): string => createHash('sha256').update(canonicalJson(parts)).digest('hex');

/** A result that is plain JSON, in one file. */
export const jsonFile = <T>(name: string): Codec<T, T, unknown> => ({
  write: (folder, made) => writeFile(join(folder, name), JSON.stringify(made)),
  read: async (folder) => JSON.parse(await readFile(join(folder, name), 'utf8')) as T,
});
