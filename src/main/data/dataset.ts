/**
 * Samples in the form a model takes them. Opens any source of sources.ts, preprocesses it, and returns batches. A
 * sample has one tensor per input that the data feed. Images are decoded on demand, several at a time, and cached as
 * bytes at their final size up to a limit.
 */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { Figures } from '../../shared/model/figures.ts';
import type { Preprocess } from '../../shared/model/job.ts';
import { DType } from '../engine/ir/dtype.ts';
import type { HostTensor } from '../engine/executor.ts';
import { openArray, takesPictures } from './array-input.ts';
import { imageLayout } from './expect.ts';
import { requireFinite } from './finite.ts';
import { identityOf } from './identity.ts';
import { openImageFiles, type ImageFiles } from './image-files.ts';
import type { InputSpec, Sample } from './input-spec.ts';
import { requireWithin } from './range.ts';
import { sampleIndices } from './split.ts';
import { closeColumns, type Column, type Source } from './source.ts';
import { openSource } from './sources.ts';

export interface DatasetOptions {
  /** Folder, table (.csv, .tsv), .npy, .npz, or one image. */
  readonly data: string;
  /** Separate file of labels: .npy, .csv or .txt. */
  readonly labels?: string | undefined;
  /**
   * Applies to the inputs that take images. null or absent: deduced from the input and reported in the notes. An empty
   * object means raw 0..255.
   */
  readonly preprocess?: Preprocess | null | undefined;
  /** The open inputs of the model, in the graph's order. */
  readonly inputs: readonly InputSpec[];
  /** Class names in the order of the class numbers, for labels that are names. */
  readonly classes?: readonly string[] | null | undefined;
  /** Maximum number of samples, drawn with the seed and balanced over the classes. */
  readonly limit?: number | undefined;
  readonly seed?: number | undefined;
  /** Bytes of decoded images kept in memory; default 1 GiB. */
  readonly cacheBytes?: number | undefined;
  /** Cached results per folder: images that all decoded once are not decoded again for the check. */
  readonly seen?: Figures | undefined;
}

export interface Dataset {
  readonly length: number;
  readonly labels: Int32Array | null;
  readonly classNames: readonly string[] | null;
  /** Inputs that a batch has, in the graph's order. */
  readonly inputs: readonly string[];
  /** The input that is shown and preprocessed: the first that holds pictures, else the first. */
  readonly main: string;
  /** Inputs whose samples may be shifted, mirrored and mixed: those that hold pictures, or the only one. */
  readonly pictures: readonly string[];
  /** The preprocessing in force, deduced parts included; null where arrays pass through unchanged. */
  readonly preprocess: Preprocess | null;
  /** Notes for the user: skipped files, deduced preprocessing, adapted sizes. Can grow while batches are read. */
  readonly notes: readonly string[];
  /** Hash of everything that samples and labels depend on. See identity.ts. */
  readonly identity: string;
  /** File name, or 'row 17', for messages. */
  name(index: number): string;
  /**
   * Samples in the given order, of the inputs' element types; the first axis is indices.length. `shared` inputs come
   * unchanged.
   */
  batch(indices: readonly number[]): Promise<Sample>;
  close(): Promise<void>;
}

const CACHE_BYTES = 2 ** 30;
/** Marks an array whose values were checked. */
const LOOKED = 1;

/** The opened data of one input. */
interface OpenedInput {
  readonly name: string;
  readonly preprocess: Preprocess | null;
  readonly pictures: boolean;
  /** @param rows indices of samples in the source */
  batch(rows: readonly number[]): Promise<HostTensor>;
}

/**
 * Opens data for the inputs of a model.
 * @throws 'file-not-found', 'data-empty', 'data-invalid', 'data-labels', 'data-input-missing', 'data-input-unknown',
 *   'data-rows', 'data-cell', 'data-shape', 'data-range', 'data-not-finite', 'lfs-pointer', 'preprocess-invalid'
 */
export async function openDataset(options: DatasetOptions): Promise<Dataset> {
  const source = await openSource(options.data, options);
  try {
    return await openedDataset(source, options);
  } catch (e) {
    await closeColumns(source.columns.values());
    throw e;
  }
}

async function openedDataset(source: Source, options: DatasetOptions): Promise<Dataset> {
  const notes = [...source.notes];
  const { count } = source;
  const limit = options.limit ?? count;
  const drawn = sampleIndices(count, limit, { seed: options.seed ?? 0, labels: source.labels?.labels });
  if (drawn.length < count) notes.push(`${drawn.length} of ${count} samples are used.`);
  const specs = options.inputs.filter((i) => source.columns.has(i.name));
  const { inputs, rows } = await openInputs(source, specs, { ...options, drawn, notes });
  const main = inputs.find((i) => i.pictures) ?? inputs[0]!;
  const pictures = inputs.length === 1 ? inputs : inputs.filter((i) => i.pictures);
  const all = source.labels?.labels;
  const labels = all ? Int32Array.from(rows, (i) => all[i]!) : null;
  const classNames = source.labels?.classNames ?? null;
  const columns = [...source.columns.values()];
  const identity = await identityOf({
    files: columns.flatMap((c) => (c.kind === 'files' ? rows.map((i) => c.files[i]!) : c.from)),
    rows,
    labels,
    classNames,
    preprocess: main.preprocess,
    inputs: specs,
  });
  const pictured = new Set(inputs.filter((i) => i.pictures).map((i) => i.name));
  await checkValues(source, specs, { rows, pictured, identity, seen: options.seen });
  return {
    length: rows.length,
    labels,
    classNames,
    inputs: specs.map((i) => i.name),
    main: main.name,
    pictures: pictures.map((i) => i.name),
    preprocess: main.preprocess,
    notes,
    identity,
    name: (i) => source.names?.[rows[i]!] ?? `row ${rows[i]}`,
    batch: (indices) => {
      for (const i of indices)
        if (!(Number.isInteger(i) && i >= 0 && i < rows.length))
          throw new RangeError(`sample ${i} of a data set with ${rows.length}`);
      return batchOf(inputs, indices.map((i) => rows[i]!)); // prettier-ignore
    },
    close: () => closeColumns(columns),
  };
}

async function batchOf(inputs: readonly OpenedInput[], rows: readonly number[]): Promise<Sample> {
  const out: Record<string, HostTensor> = {};
  for (const i of inputs) out[i.name] = await i.batch(rows);
  return out;
}

interface InputOptions extends DatasetOptions {
  /** Samples to use. */
  readonly drawn: readonly number[];
  readonly notes: string[];
}

/** @returns the inputs, and the samples whose images decode */
async function openInputs(
  source: Source,
  specs: readonly InputSpec[],
  o: InputOptions,
): Promise<{ inputs: OpenedInput[]; rows: readonly number[] }> {
  let rows = o.drawn;
  const inputs: OpenedInput[] = [];
  const named = specs.length > 1;
  const pictured = named ? picturedArray(source, specs) : specs[0]!.name;
  for (const spec of specs) {
    const column = source.columns.get(spec.name)!;
    try {
      if (column.kind === 'array') {
        const bytes = column.array.dtype === DType.UINT8;
        const mayBePictures = !named || (takesPictures(spec) && (bytes || spec.name === pictured));
        const { preprocess, notes } = o;
        inputs.push({ name: spec.name, ...openArray(column.array, spec, { preprocess, mayBePictures, notes }) });
      } else {
        const opened = await openFiles(column.files, spec, rows, { ...o, names: source.names });
        rows = opened.rows;
        inputs.push(opened.input);
      }
    } catch (e) {
      throw named ? ofInput(e, spec.name) : e;
    }
  }
  return { inputs, rows };
}

/** The first input that looks like pictures, where arrays feed several inputs. */
function picturedArray(source: Source, specs: readonly InputSpec[]): string | null {
  const found = specs.find((spec) => {
    const c: Column = source.columns.get(spec.name)!;
    return c.kind === 'array' && takesPictures(spec) && imageLayout(c.array.shape.slice(1), spec.shape) !== null;
  });
  return found?.name ?? null;
}

/** The error, with the name of the input it concerns. */
function ofInput(e: unknown, name: string): unknown {
  if (!(e instanceof SecateurError) || e.code !== 'data-shape') return e;
  return new SecateurError(
    'data-shape',
    { ...e.detail, reason: `input ${name}: ${String(e.detail.reason)}` },
    { cause: e },
  );
}

async function openFiles(
  files: readonly string[],
  spec: InputSpec,
  rows: readonly number[],
  o: InputOptions & { readonly names: readonly string[] | null },
): Promise<{ input: OpenedInput; rows: readonly number[] }> {
  const used = rows.map((i) => files[i]!);
  const images: ImageFiles = await openImageFiles(used, spec, { ...o, cacheBytes: o.cacheBytes ?? CACHE_BYTES });
  const broken = await images.verify(o.seen);
  const good = rows.filter((_, i) => broken[i] === null);
  if (good.length < rows.length) {
    const bad = broken.flatMap((reason, i) =>
      reason === null ? [] : [`${o.names?.[rows[i]!] ?? used[i]!} (${reason})`],
    );
    if (!good.length)
      throw new SecateurError('data-empty', { path: o.data, reason: `no image can be decoded: ${bad[0]}` });
    const listed = bad.slice(0, 5).join('; ') + (bad.length > 5 ? `; and ${bad.length - 5} more` : '');
    o.notes.push(`${bad.length} of ${rows.length} images are skipped because they cannot be decoded: ${listed}.`);
  }
  const at = new Map(rows.map((row, i) => [row, i]));
  const batch = (wanted: readonly number[]): Promise<HostTensor> => images.batch(wanted.map((row) => at.get(row)!));
  return { input: { name: spec.name, preprocess: images.preprocess, pictures: true, batch }, rows: good };
}

/**
 * Checks all values of arrays once.
 * @throws 'data-not-finite', 'data-range'
 */
async function checkValues(
  source: Source,
  specs: readonly InputSpec[],
  o: {
    readonly rows: readonly number[];
    /** Inputs whose values are converted to pictures before the model gets them. */
    readonly pictured: ReadonlySet<string>;
    readonly identity: string;
    readonly seen: DatasetOptions['seen'];
  },
): Promise<void> {
  const arrays = specs.flatMap((spec) => {
    const column = source.columns.get(spec.name)!;
    return column.kind === 'array' ? [{ spec, column }] : [];
  });
  if (arrays.length === 0 || o.seen?.get(`finite ${o.identity}`) !== undefined) return;
  for (const { spec, column } of arrays) {
    const used = spec.shared ? Array.from({ length: column.array.shape[0] ?? 1 }, (_, i) => i) : o.rows;
    const path = specs.length > 1 ? `${column.path} (${spec.name})` : column.path;
    await requireFinite(column.array, { path, rows: used, dtype: spec.dtype ?? DType.FLOAT });
    if (!o.pictured.has(spec.name)) await requireWithin(column.array, spec, { path, rows: used });
  }
  o.seen?.put(`finite ${o.identity}`, LOOKED);
}
