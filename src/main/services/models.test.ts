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

it('takes a folder for the one model in it, and says why not otherwise', () => {
  expect(() => models.fileOf(folder)).toThrow('no .onnx file');
  const a = join(folder, 'a.onnx');
  writeFileSync(a, 'x');
  expect([models.fileOf(folder), models.fileOf(a)]).toEqual([a, a]);
  writeFileSync(join(folder, 'b.ONNX'), 'x');
  expect(() => models.fileOf(folder)).toThrow('a.onnx, b.ONNX');
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
