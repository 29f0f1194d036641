/** Builds a package from pruned components and a selection of visual tokens. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Workload } from '../../../shared/model/package.ts';
import type { Selection } from '../../../shared/model/visual-tokens.ts';
import type { Executor } from '../../engine/executor.ts';
import type { Model } from '../../engine/ir/model.ts';
import { openModelFile, saveModelFile } from '../../storage/model-files.ts';
import { openPackage, useOf, withFiles, withModels, type OpenedPackage } from '../prepare/open-package.ts';
import type { Use } from '../tokens/measure-uses.ts';
import { oneVariant } from '../tokens/one-variant.ts';
import { imagesPerPicture, subjectOf, visionDims, type TokenSubject } from '../tokens/subject.ts';
import type { Variant } from '../tokens/variants.ts';

/** A package before it is made smaller, and one use of it. */
export interface Whole {
  readonly pkg: OpenedPackage;
  /** Null where its tokens cannot be reduced. */
  readonly subject: TokenSubject | null;
  /** Why not. */
  readonly refused: string | null;
  readonly workload: Workload;
}

/** A smaller package. */
export interface Built {
  /** All components that differ, by id. */
  readonly models: ReadonlyMap<string, Model>;
  readonly configs: Variant['configs'];
  /** The selection; null where all tokens stay. */
  readonly variant: Variant | null;
  /** One use; its files are those of the draft until the package is written. */
  readonly use: Use;
}

/** @throws 'workload-setting', and errors of `openPackage` */
export async function openWhole(
  path: string,
  settings: Readonly<Record<string, number>>,
  executor: Executor,
): Promise<Whole> {
  const pkg = openPackage(path, { settings });
  try {
    const subject = await subjectOf(pkg, executor);
    const images = imagesPerPicture(subject, pkg.shape.configs);
    const workload = useOf(pkg.shape, {
      settings: { ...settings, image: images * subject.place.count },
      dims: visionDims(subject.encoder, { images }),
    });
    return { pkg, subject, refused: null, workload };
  } catch (e) {
    if (!(e instanceof SecateurError) || e.code !== 'tokens-refused') throw e;
    return { pkg, subject: null, refused: String(e.detail['reason']), workload: pkg.workload };
  }
}

/**
 * @param files of pruned components, by id
 * @param scratch folder for the files of models that are made; each build needs another one
 * @throws 'tokens-method', 'tokens-method-refused', 'tokens-keep'
 */
export async function build(
  { pkg, workload }: Whole,
  { files, tokens }: { readonly files: ReadonlyMap<string, string>; readonly tokens: Selection | null },
  scratch: string,
  executor: Executor,
): Promise<Built> {
  const pruned = new Map([...files].map(([id, file]) => [id, openModelFile(file)]));
  const smaller = withFiles(pkg, files);
  if (!tokens) return { models: pruned, configs: {}, variant: null, use: { workload, fileOf: smaller.fileOf } };
  const variant = await oneVariant(await subjectOf(smaller, executor), tokens, executor);
  const placed = new Map<string, string>();
  for (const [id, model] of variant.models) {
    const folder = join(scratch, id.replaceAll('/', '_'));
    await mkdir(folder, { recursive: true });
    placed.set(id, join(folder, 'model.onnx'));
    saveModelFile(model, placed.get(id)!);
  }
  const models = new Map([...pruned, ...variant.models]);
  const settings = { ...workload.settings, image: variant.prompt };
  return {
    models,
    configs: variant.configs,
    variant,
    use: {
      workload: useOf(withModels(pkg.shape, models), { settings, dims: variant.dims }),
      fileOf: (id) => placed.get(id) ?? smaller.fileOf(id),
    },
  };
}
