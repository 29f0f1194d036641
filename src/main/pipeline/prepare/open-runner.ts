/** Opens a package for the runner: its components, its vocabulary, its chat template and its image processor. */
import { processImage } from '../../data/image-processor.ts';
import { imageRecipeOf } from '../../data/image-recipe.ts';
import type { ExecSession, Executor } from '../../engine/executor.ts';
import type { PackageShape } from '../../engine/families/contract.ts';
import { partsOf, takes } from '../../engine/generation/parts.ts';
import type { Model } from '../../engine/ir/model.ts';
import { chatTemplateOf } from '../../runtime/generate/chat.ts';
import type { RunnerPackage } from '../../runtime/generate/contract.ts';
import { DualRunner } from '../../runtime/generate/dual-runner.ts';
import { AnswerRunner } from '../../runtime/generate/runner.ts';
import { openTextCoder } from '../../runtime/generate/text-coder.ts';
import { openModelFile } from '../../storage/model-files.ts';
import { openPackage, type OpenedPackage, withModels } from './open-package.ts';

export interface RunnerOptions {
  readonly executor: Executor;
  /** Execution provider, default 'cpu'. */
  readonly provider?: string;
  /** Intra-op threads, default 1. */
  readonly threads?: number;
  /** Models that take the place of components, by id: pruned ones, for example. Their ports may differ. */
  readonly replaced?: ReadonlyMap<string, Model>;
  /** Contents that take the place of configuration files, by path relative to the package. */
  readonly configs?: Readonly<Record<string, unknown>>;
  /** Replaces parts of the package: a vocabulary, or an image processor that the package does not describe. */
  readonly given?: Partial<Pick<RunnerPackage, 'coder' | 'chatTemplate' | 'prepare'>>;
}

/**
 * @param source folder of a package, or a package that is open
 * @throws 'run-unsupported', 'run-package', 'tokenizer-unusable', and errors of `openPackage`
 */
export const openRunner = (source: string | OpenedPackage, options: RunnerOptions): AnswerRunner =>
  new AnswerRunner(runnerPackage(source, options));

/** The same for packages that compare pictures with texts. */
export const openDualRunner = (source: string | OpenedPackage, options: RunnerOptions): DualRunner =>
  new DualRunner(runnerPackage(source, options));

function runnerPackage(source: string | OpenedPackage, options: RunnerOptions): RunnerPackage {
  const pkg = typeof source === 'string' ? openPackage(source) : source;
  const { executor, provider, threads, replaced } = options;
  const open = (id: string): Promise<ExecSession> =>
    executor.open(replaced?.get(id) ?? openModelFile(pkg.fileOf(id)), {
      ...(provider !== undefined && { provider }),
      threads: threads ?? 1,
    });
  const shape: PackageShape = {
    ...withModels(pkg.shape, replaced ?? new Map<string, Model>()),
    configs: { ...pkg.shape.configs, ...options.configs },
  };
  return {
    shape,
    coder: openTextCoder(pkg.root),
    chatTemplate: chatTemplateOf(pkg.root),
    open,
    prepare: preparer(shape),
    ...options.given,
  };
}

function preparer(shape: PackageShape): RunnerPackage['prepare'] {
  return async (file) => {
    const parts = partsOf(shape);
    const encoder = parts.kind === 'dual' ? parts.image : parts.encoder!;
    const port = takes(encoder, /^pixel_values$/i)!;
    const { recipe, notes } = imageRecipeOf(shape.configs, port);
    return { ...(await processImage(file, recipe, port)), notes };
  };
}
