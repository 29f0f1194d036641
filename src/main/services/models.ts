/**
 * The models known to the user: the sample, models opened before, and corrections of their family.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenedAs, RecentModel, Sample } from '../../shared/contract/routes.ts';
import type { PackageReport } from '../../shared/model/package.ts';
import type { InspectReport } from '../../shared/model/tasks.ts';
import type { Family } from '../../shared/model/types.ts';
import type { ModelRepository } from '../storage/model-repository.ts';
import { packageFiles } from '../storage/package-files.ts';

/** A question about the example picture of the vision-language sample. */
const EXAMPLE_QUESTION = 'where is the purple frame';

export class ModelService {
  readonly #models: ModelRepository;
  readonly #samples: string;

  /** @param samples folder of the built-in samples */
  constructor(models: ModelRepository, samples: string) {
    this.#models = models;
    this.#samples = samples;
  }

  samples(): Sample[] {
    return [...this.#classifier(), ...this.#answering()];
  }

  #classifier(): Sample[] {
    const model = join(this.#samples, 'scenes-resnet.onnx');
    const data = join(this.#samples, 'scenes-test.npz');
    if (!existsSync(model) || !existsSync(data)) return [];
    const classes = readFileSync(join(this.#samples, 'labels.txt'), 'utf8').trim().split('\n').length;
    return [
      {
        id: 'scenes',
        name: 'Scenes classifier',
        about: `A small residual network that classifies ${classes} kinds of drawn scenes, with labelled test images.`,
        model,
        data,
      },
    ];
  }

  #answering(): Sample[] {
    const model = join(this.#samples, 'scenes-vlm');
    const path = join(this.#samples, 'scenes-vlm-example.png');
    if (!existsSync(model) || !existsSync(path)) return [];
    return [
      {
        id: 'scenes-vlm',
        name: 'Questions about scenes',
        about:
          'A small vision-language package that answers questions about pictures of coloured shapes, many of them wrongly.',
        model,
        data: null,
        example: {
          path,
          src: `data:image/png;base64,${readFileSync(path).toString('base64')}`,
          prompt: EXAMPLE_QUESTION,
        },
      },
    ];
  }

  recent(): RecentModel[] {
    return this.#models.list(200).map(({ path, bytes, family, seenAt }) => ({
      path,
      bytes,
      family,
      seenAt,
      there: existsSync(path),
    }));
  }

  /** Records an opened model. The built-in samples are always listed, so they are not recorded. */
  seen(report: InspectReport): void {
    const info = statSync(report.model, { throwIfNoEntry: false });
    if (!info || report.model.startsWith(this.#samples)) return;
    const { sha256, model: path, bytes, family } = report;
    this.#models.put({ sha256, path, bytes, mtimeMs: Math.round(info.mtimeMs), family });
  }

  /**
   * Records an opened package under its folder.
   * @param id as `packageId` returns it
   */
  seenPackage(id: string, { path, bytes, family }: Pick<PackageReport, 'path' | 'bytes' | 'family'>): void {
    if (path.startsWith(this.#samples)) return;
    this.#models.put({ sha256: id, path, bytes, mtimeMs: Math.round(statSync(path).mtimeMs), family });
  }

  /**
   * Decides how a path is opened: a file, or a folder with a single model and no configuration, as
   * that model; any other folder as a package.
   * @throws 'package-empty', 'package-too-deep'
   */
  opened(path: string): OpenedAs {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return { kind: 'model', path };
    const { root, models, configs } = packageFiles(path);
    return models.length === 1 && Object.keys(configs).length === 0
      ? { kind: 'model', path: join(root, models[0]!) }
      : { kind: 'package', path };
  }

  /**
   * SHA-256 of a package's path and of the names and sizes of its models; corrections are stored
   * under it.
   */
  packageId(path: string): string {
    const { root, models } = packageFiles(path);
    const files = models.map((name) => [name, statSync(join(root, name)).size]);
    return createHash('sha256')
      .update(JSON.stringify(['package', path, files]))
      .digest('hex');
  }

  /** The family set by the user; null when they did not set one. */
  correctedFamily(sha256: string): Family | null {
    return this.#models.correctedFamily(sha256);
  }

  correctFamily(sha256: string, family: Family): void {
    this.#models.correctFamily(sha256, family);
  }

  forget(path: string): void {
    this.#models.forget(path);
  }
}
