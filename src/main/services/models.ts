/** Models that users work with: the sample, those seen before, and what can be said about one. */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { SecateurError } from '../../shared/contract/errors.ts';
import { join } from 'node:path';
import type { RecentModel, Sample } from '../../shared/contract/routes.ts';
import type { InspectReport } from '../../shared/model/tasks.ts';
import type { Family } from '../../shared/model/types.ts';
import type { ModelRepository } from '../storage/model-repository.ts';

export class ModelService {
  readonly #models: ModelRepository;
  readonly #samples: string;

  /** @param samples folder of the bundled sample */
  constructor(models: ModelRepository, samples: string) {
    this.#models = models;
    this.#samples = samples;
  }

  samples(): Sample[] {
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

  recent(): RecentModel[] {
    return this.#models.list(200).map(({ path, bytes, family, seenAt }) => ({
      path,
      bytes,
      family,
      seenAt,
      there: existsSync(path),
    }));
  }

  /** The bundled sample is always there and is not listed again. */
  seen(report: InspectReport): void {
    const info = statSync(report.model, { throwIfNoEntry: false });
    if (!info || report.model.startsWith(this.#samples)) return;
    const { sha256, model: path, bytes, family } = report;
    this.#models.put({ sha256, path, bytes, mtimeMs: Math.round(info.mtimeMs), family });
  }

  /** The path itself, or the one model of a folder. Throws `model-not-in-folder`. */
  fileOf(path: string): string {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
    const names = readdirSync(path).filter((n) => /\.onnx$/i.test(n));
    const [name, ...more] = names;
    if (name === undefined || more.length > 0)
      throw new SecateurError('model-not-in-folder', {
        path,
        reason: name === undefined ? 'it contains no .onnx file' : `it holds ${names.sort().join(', ')}`,
      });
    return join(path, name);
  }

  /** What the user says a model is; null when they have not said. */
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
