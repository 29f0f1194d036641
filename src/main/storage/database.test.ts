import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase, schemaVersion } from './database.ts';
import { DeviceRepository } from './device-repository.ts';
import { JobRepository } from './job-repository.ts';
import { LatencyRepository } from './latency-repository.ts';
import { MIGRATIONS } from './migrations/index.ts';
import { ModelRepository } from './model-repository.ts';
import { dataHome } from './paths.ts';
import { identityOf, isAlive, ownIdentity } from './process-identity.ts';
import { StageTimesRepository } from './stage-times-repository.ts';
import type { Provenance } from '../../shared/model/types.ts';

let home: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'secateur-db-'));
  path = join(home, 'secateur.db');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('database', () => {
  it('is in WAL mode and at the newest schema', () => {
    const db = openDatabase(path);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(schemaVersion(db)).toBe(MIGRATIONS.at(-1)?.version);
    db.close();
  });

  it('numbers its migrations without gaps', () => {
    expect(MIGRATIONS.map((m) => m.version)).toEqual(MIGRATIONS.map((_, i) => i + 1));
  });

  it('undoes a migration that fails half-way', () => {
    openDatabase(path).close();
    const next = MIGRATIONS.length + 1;
    const bad = { version: next, name: 'bad', sql: 'CREATE TABLE extra (a INTEGER); INSERT INTO nowhere VALUES (1);' };
    expect(() => openDatabase(path, [...MIGRATIONS, bad])).toThrow(
      expect.objectContaining({ code: 'database-unusable' }),
    );
    const good = { version: next, name: 'good', sql: 'CREATE TABLE extra (a INTEGER)' };
    const db = openDatabase(path, [...MIGRATIONS, good]);
    expect(schemaVersion(db)).toBe(next);
    db.close();
    expect(() => openDatabase(path)).toThrow(expect.objectContaining({ code: 'database-too-new' }));
  });

  it('says so when the file is something else', () => {
    writeFileSync(path, 'this is not a database, but it is long enough to be looked at'.repeat(100));
    expect(() => openDatabase(path)).toThrow(expect.objectContaining({ code: 'database-unusable' }));
  });
});

describe('data directory', () => {
  it('follows SECATEUR_HOME, then XDG, then the platform', () => {
    expect(dataHome({ SECATEUR_HOME: '/x/y', XDG_DATA_HOME: '/z' }, 'linux')).toBe('/x/y');
    expect(dataHome({ XDG_DATA_HOME: '/z' }, 'linux')).toBe('/z/secateur');
    expect(dataHome({ XDG_DATA_HOME: 'relative' }, 'linux')).toMatch(/\.local\/share\/secateur$/);
    expect(dataHome({}, 'darwin')).toMatch(/Library\/Application Support\/secateur$/);
  });
});

describe('process identity', () => {
  it('tells a process from another one with the same id', () => {
    const me = ownIdentity();
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, start: 'another' })).toBe(false);
    const parent = identityOf(process.ppid);
    expect(isAlive(parent)).toBe(true);
    expect(isAlive({ ...parent, start: 'another' })).toBe(false);
    expect(isAlive({ pid: 99_999_999, start: '' })).toBe(false);
  });
});

describe('repositories', () => {
  const measured: Provenance = { kind: 'measured', device: 'd', processor: 'p', runtime: 'r', date: '2026-01-01' };

  it('latency: what is no positive number is neither stored nor read', () => {
    const db = openDatabase(path);
    const latency = new LatencyRepository(db).table({ device: 'local', processor: 'p', runtime: 'r' });
    const provenance = { kind: 'measured', device: 'local', processor: 'p', runtime: 'r', date: '2026-01-01' } as const;
    for (const ms of [NaN, 0, -1, Infinity])
      expect(() => latency.put('conv', ms, provenance)).toThrow(/a latency is a positive number/);
    latency.put('conv', 1, provenance);
    db.prepare('UPDATE latency SET ms = 0').run();
    expect(latency.get('conv')).toBeUndefined();
    db.close();
  });

  it('latency: one table per device, processor and runtime; guesses never replace measurements', () => {
    const db = openDatabase(path);
    const latencies = new LatencyRepository(db);
    const scope = { device: 'd', processor: 'p', runtime: 'r' };
    const table = latencies.table(scope);
    expect(table.get('Conv[1,3]')).toBeUndefined();
    table.put('Conv[1,3]', 2, { ...measured, kind: 'guessed' });
    table.put('Conv[1,3]', 1.5, measured);
    table.put('Conv[1,3]', 9, { ...measured, kind: 'fitted' });
    expect(table.get('Conv[1,3]')).toBe(1.5);
    table.put('Conv[1,3]', 1.25, measured);
    expect(table.get('Conv[1,3]')).toBe(1.25);
    for (const other of [{ device: 'e' }, { processor: 'q' }, { runtime: 's' }]) {
      expect(latencies.table({ ...scope, ...other }).get('Conv[1,3]')).toBeUndefined();
    }
    db.close();
    const again = openDatabase(path);
    expect(new LatencyRepository(again).rows(scope)).toEqual([
      { signature: 'Conv[1,3]', ms: 1.25, kind: 'measured', date: '2026-01-01' },
    ]);
    again.close();
  });

  it('jobs: only queued jobs of this process start, late reports change nothing', () => {
    const db = openDatabase(path);
    const jobs = new JobRepository(db);
    const { id } = jobs.create('compress', { model: '/m.onnx' });
    const other = jobs.create('compress', {});
    expect(jobs.claim(id, ['compress'])).toBeNull();
    expect(jobs.claim(other.id, ['compress'])).toBe(id);
    expect(() => jobs.claim(id, [])).toThrow(expect.objectContaining({ code: 'cancelled' }));
    jobs.finish(id, { status: 'done', result: { met: true } });
    jobs.finish(id, { status: 'failed', error: { code: 'internal', message: '', remedy: '', detail: {} } });
    expect(jobs.get(id)).toMatchObject({ status: 'done', result: { met: true }, error: null, attempts: 1 });
    expect(jobs.find(id.slice(0, -1)).id).toBe(id);
    expect(jobs.find('last').id).toBe(other.id);
    expect(() => jobs.find('2')).toThrow(expect.objectContaining({ code: 'job-not-found' }));
    db.close();
  });

  it('jobs: an owner whose process id belongs to another process now counts as dead', () => {
    const db = openDatabase(path);
    const jobs = new JobRepository(db);
    const { id } = jobs.create('compress', {});
    jobs.claim(id, []);
    expect(jobs.reconcile()).toEqual([]);
    db.prepare('UPDATE jobs SET owner_pid = ?, owner_start = ? WHERE id = ?').run(process.ppid, 'another', id);
    expect(jobs.reconcile()).toEqual([{ id, worker: null }]);
    expect(jobs.get(id)).toMatchObject({ status: 'interrupted', error: { code: 'interrupted' } });
    expect(jobs.requeue(id).status).toBe('queued');
    expect(jobs.claim(id, [])).toBeNull();
    db.close();
  });

  it('devices, models and stage times come back as they were put', () => {
    const db = openDatabase(path);
    const device = {
      id: 'board',
      name: 'Board',
      kind: 'profile' as const,
      processor: 'A76',
      cores: 4,
      providers: ['cpu'],
      runtime: 'x',
    };
    const devices = new DeviceRepository(db);
    devices.put(device);
    expect(devices.list()).toEqual([device]);
    devices.remove('board');
    expect(devices.get('board')).toBeUndefined();
    const models = new ModelRepository(db);
    models.put({ sha256: 'ab', path: '/m.onnx', bytes: 10, mtimeMs: 5, family: 'cnn' });
    expect(models.hashOf('/m.onnx', 10, 5)).toBe('ab');
    expect(models.hashOf('/m.onnx', 11, 5)).toBeUndefined();
    const times = new StageTimesRepository(db);
    times.put('compress', '/m.onnx', { load: 1, 'a stage': 2 });
    times.put('compress', '/n.onnx', { load: 3 });
    expect(Object.entries(times.get('compress', '/m.onnx'))).toEqual([
      ['load', 1],
      ['a stage', 2],
    ]);
    expect(Object.keys(times.get('compress', '/new.onnx')).sort()).toEqual(['a stage', 'load']);
    db.close();
  });
});
