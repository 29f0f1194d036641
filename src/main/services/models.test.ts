import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase } from '../storage/database.ts';
import { ModelRepository } from '../storage/model-repository.ts';
import type { InspectReport } from '../../shared/model/tasks.ts';
import { ModelService } from './models.ts';

let folder: string;
let models: ModelService;
let close: () => void;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'secateur-models-'));
  const db = openDatabase(join(folder, 'x.db'));
  close = () => db.close();
  models = new ModelService(new ModelRepository(db), join(folder, 'samples'));
});
afterEach(() => {
  close();
  rmSync(folder, { recursive: true });
});

it('opens a folder with one model and nothing else as that model, and any other as a package', () => {
  expect(() => models.opened(folder)).toThrow('no ONNX model');
  const a = join(folder, 'a.onnx');
  writeFileSync(a, 'x');
  const single = { kind: 'model', path: a };
  expect([models.opened(folder), models.opened(a)]).toEqual([single, single]);
  const id = models.packageId(folder);
  writeFileSync(join(folder, 'b.ONNX'), 'x');
  expect(models.opened(folder)).toEqual({ kind: 'package', path: folder });
  expect(models.packageId(folder)).not.toBe(id);
  rmSync(join(folder, 'b.ONNX'));
  writeFileSync(join(folder, 'config.json'), '{}');
  expect(models.opened(folder)).toEqual({ kind: 'package', path: folder });
});

it('keeps what the user says a model is, whatever is detected later', () => {
  const path = join(folder, 'a.onnx');
  writeFileSync(path, 'x');
  const report = { model: path, sha256: 'f'.repeat(64), bytes: 1, family: 'cnn' } as InspectReport;
  models.seen(report);
  expect(models.correctedFamily(report.sha256)).toBeNull();
  models.correctFamily(report.sha256, 'vit');
  models.seen(report);
  expect(models.correctedFamily(report.sha256)).toBe('vit');
  expect(models.recent().map((m) => m.family)).toEqual(['vit']);
});
