// Tests the window's state without a page: its requests, which of them are abandoned, and the
// choices carried from one job to the next.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PRESETS } from '../../shared/model/recipes.ts';
import type { CompressRequest } from '../../shared/model/job.ts';

interface Asked {
  readonly route: string;
  readonly input: Record<string, unknown>;
  readonly call: string | undefined;
  answer(data: unknown): void;
  refuse(code: string): void;
}
const asked: Asked[] = [];
/** Kind of a path; the tests treat a folder as a package. */
const kinds = (path: string) => ({ kind: /\.onnx$/.test(path) ? 'model' : 'package', path });
const abandoned: string[] = [];
Object.assign(globalThis, {
  location: { hash: '' },
  secateur: {
    request: (route: string, input: Record<string, unknown>, call?: string) =>
      new Promise((done) => {
        const refuse = (code: string): void =>
          done({ ok: false, error: { code, message: code, remedy: '', detail: {} } });
        if (route === 'packages.find') return done({ ok: true, data: kinds(input['path'] as string) });
        asked.push({ route, input, call, answer: (data) => done({ ok: true, data }), refuse });
      }),
    abandon: (call: string) => void abandoned.push(call),
    on: () => () => undefined,
  },
});
// Files may share a worker, in which the modules hold the connection of another test.
vi.resetModules();
const { wizard } = await import('./wizard.svelte.ts');
const { jobs } = await import('./jobs.svelte.ts');
const { bring } = await import('../library/bring.ts');
const { again } = await import('./job-request.ts');

const settle = (): Promise<void> => new Promise((done) => setTimeout(done));
const last = (route: string): Asked => asked.filter((a) => a.route === route).at(-1)!;
const inspected = (model: string) => ({ model, sha256: '0'.repeat(64), corrected: null, groups: [], outputs: [] });
async function open(model: string): Promise<void> {
  const opening = wizard.openOwn(model);
  await settle();
  last('models.inspect').answer(inspected(model));
  await opening;
}
const request: CompressRequest = {
  model: '/m/job.onnx',
  budget: { ms: 7, percentile: 95, threads: 3, batch: 2, provider: 'cpu' },
  device: 'here',
  data: '/d/job',
  labels: '/d/labels.txt',
  recipe: { ...PRESETS.best, keep: { conv1: 0.25 }, freeze: ['fc'] },
  out: '/out/job',
  seed: 5,
};

beforeEach(() => {
  asked.length = abandoned.length = 0;
  wizard.setData(null);
  wizard.recipe = structuredClone(PRESETS.balanced) as typeof wizard.recipe;
  jobs.list = [];
});

describe('opening a model', () => {
  it('that fails leaves none, and nothing can be gone on with', async () => {
    await open('/m/good.onnx');
    expect(wizard.blocked('budget')).toBeNull();
    const opening = wizard.openOwn('/m/bad.onnx');
    await settle();
    expect(wizard.blocked('budget')).toBe('opening');
    last('models.inspect').refuse('model-invalid');
    await opening;
    expect([wizard.model, wizard.inspection.value]).toEqual([null, null]);
    expect(wizard.inspection.error?.code).toBe('model-invalid');
    expect([wizard.blocked('budget'), wizard.startBlocked]).toEqual(['model', 'model']);
  });

  it('abandons the inspection of the one before, and its measurements', async () => {
    const first = wizard.openOwn('/m/a.onnx');
    await settle();
    const { call } = last('models.inspect');
    const second = wizard.openOwn('/m/b.onnx');
    await settle();
    expect(abandoned).toEqual([call]);
    last('models.inspect').answer(inspected('/m/b.onnx'));
    await Promise.all([second, Promise.race([first, settle()])]);
    expect(wizard.model).toBe('/m/b.onnx');
    wizard.measure();
    const reach = last('budget.reach').call;
    void wizard.openOwn('/m/c.onnx');
    expect(abandoned).toContain(reach);
  });

  it('forgets what meant the one before: names of groups, milliseconds, the folder', async () => {
    await open('/m/a.onnx');
    wizard.recipe = { ...wizard.recipe, freeze: ['layer1.*'] };
    Object.assign(wizard, { budgetKind: 'ms', milliseconds: 4, out: '/out/a' });
    await open('/m/b.onnx');
    expect(wizard.recipe.freeze).toEqual([]);
    expect([wizard.budget.ms, wizard.out]).toEqual([undefined, null]);
  });
});

describe('a measurement of what is reachable', () => {
  it.each([
    ['left with its step', () => wizard.leaveBudget()],
    ['when its conditions change', () => wizard.changeConditions()],
    ['when a job starts', () => void wizard.start()],
  ])('is abandoned %s', async (_, leave) => {
    await open('/m/a.onnx');
    wizard.measure();
    const { call } = last('budget.reach');
    leave();
    expect(abandoned).toEqual([call]);
    expect(wizard.reach.busy).toBe(false);
  });

  it('tells budgets that are met already from those out of reach', async () => {
    await open('/m/a.onnx');
    expect(wizard.withinReach).toBe('unknown');
    wizard.reach.value = { baselineMs: 10, leastMs: 3, curve: [], provenance: {} as never };
    Object.assign(wizard, { budgetKind: 'ms' });
    const at = (ms: number): string => ((wizard.milliseconds = ms), wizard.withinReach);
    expect([at(12), at(5), at(2)]).toEqual(['met', 'within', 'out']);
  });
});

describe('data', () => {
  it('that are refused keep the user from going on and from starting', async () => {
    await open('/m/a.onnx');
    wizard.setData('/d/a');
    wizard.look();
    expect(wizard.blocked('recipe')).toBe('looking');
    last('data.preview').answer({ samples: 3 });
    await settle();
    expect(wizard.blocked('recipe')).toBeNull();
    wizard.labels = '/d/wrong.txt';
    wizard.look();
    last('data.preview').refuse('data-labels');
    await settle();
    expect([wizard.blocked('recipe'), wizard.startBlocked]).toEqual(['data', 'data']);
    wizard.setData('/d/b');
    wizard.look();
    last('data.preview').answer({ samples: 3 });
    await settle();
    expect(wizard.startBlocked).toBeNull();
  });
});

describe('what decides how results are judged', () => {
  it('goes into the job and the look at the data, and not on to another model', async () => {
    await open('/m/a.onnx');
    const meaning = {
      name: 'y',
      reading: 'numbers',
      source: 'inferred',
      why: 'nothing says more',
      guessed: true,
    } as const;
    wizard.inspection.value = { ...inspected('/m/a.onnx'), meanings: [meaning] } as never;
    expect(wizard.meanings).toEqual([meaning]);
    wizard.setData('/d/a', null, 'imagenet');
    wizard.readOutput('y', 'embedding');
    wizard.floor = { minAgreement: 0.95 };
    const input = { preprocess: 'imagenet', outputs: { y: 'embedding' } };
    expect(last('data.preview').input).toEqual({ model: '/m/a.onnx', data: '/d/a', ...input });
    expect(wizard.meanings).toMatchObject([{ name: 'y', reading: 'embedding', source: 'given' }]);
    void wizard.start();
    expect(last('jobs.start').input).toMatchObject({ ...input, floor: { minAgreement: 0.95 } });
    wizard.readOutput('y', null);
    expect(wizard.outputs).toEqual({});
    wizard.readOutput('y', 'map');
    await open('/m/b.onnx');
    expect([wizard.outputs, wizard.floor]).toEqual([{}, {}]);
  });
});

describe('a job that is shown', () => {
  it('brings its model, data, budget and recipe, and none of the widths set by hand', async () => {
    await open('/m/other.onnx');
    const bringing = bring('j1');
    last('jobs.get').answer({ kind: 'compress', request });
    await bringing;
    await settle();
    last('models.inspect').answer(inspected(request.model));
    await settle();
    expect(wizard.job).toBe('j1');
    expect(wizard.model).toBe(request.model);
    expect([wizard.data, wizard.labels, wizard.preprocess]).toEqual(['/d/job', '/d/labels.txt', null]);
    expect(wizard.budget).toEqual(request.budget);
    expect(wizard.recipe).toEqual({ ...request.recipe, keep: {} });
    void wizard.start();
    expect((last('jobs.start').input['recipe'] as typeof request.recipe).keep).toEqual({});
    expect(last('jobs.start').input['out']).toBeUndefined();
  });

  it('is the one that was asked for last, however the answers come', async () => {
    const [a, b] = [bring('a'), bring('b')];
    const [first, second] = asked.filter((x) => x.route === 'jobs.get');
    second!.answer({ kind: 'compress', request: { ...request, model: '/m/b.onnx' } });
    first!.answer({ kind: 'compress', request: { ...request, model: '/m/a.onnx' } });
    await Promise.all([a, b]);
    expect([wizard.job, wizard.tried]).toEqual(['b', '/m/b.onnx']);
  });

  it('has its pages although its model cannot be opened any more', async () => {
    const bringing = bring('j1');
    last('jobs.get').answer({ kind: 'compress', request: { ...request, model: '/m/gone.onnx' } });
    await bringing;
    await settle();
    last('models.inspect').refuse('file-not-found');
    await settle();
    const quality = { qualityBefore: null, quality: null };
    const outcome = { met: true, beforeMs: 2, afterMs: 1, bundle: '/out/b', accepted: true, ...quality };
    const job = { id: 'j1', kind: 'compress', status: 'done', outcome } as (typeof jobs.list)[number];
    jobs.list = [job];
    expect([wizard.blocked('run'), wizard.blocked('review'), wizard.blocked('export')]).toEqual([null, null, null]);
    jobs.list = [{ ...job, outcome: { ...outcome, bundle: null, afterMs: null } }];
    expect(wizard.blocked('export')).toBe('nothing');
    jobs.list = [{ ...job, status: 'failed', outcome: null }];
    expect([wizard.blocked('run'), wizard.blocked('review')]).toEqual([null, 'unfinished']);
  });

  it('is run again with all that it was asked for, but not into the folder of its bundle', () => {
    const { device: _device, out: _out, ...same } = { ...request, dims: { t: 3 }, floor: { minAgreement: 0.9 } };
    expect(again({ ...same, device: 'here', out: '/out/job' }, { seed: 6 })).toEqual({ ...same, seed: 6 });
  });
});

describe('sizes of dynamic axes', () => {
  it('go with every request about the model, and are those of this model alone', async () => {
    await open('/m/free.onnx');
    const resizing = wizard.resize({ height: 48 });
    await settle();
    last('models.inspect').answer(inspected('/m/free.onnx'));
    await resizing;
    wizard.setData('/d/a');
    wizard.measure();
    wizard.profileOperators();
    wizard.look();
    void wizard.start();
    for (const route of ['models.inspect', 'budget.reach', 'models.profile', 'data.preview', 'jobs.start'])
      expect(last(route).input, route).toMatchObject({ model: '/m/free.onnx', dims: { height: 48 } });
    void wizard.openOwn('/m/other.onnx');
    await settle();
    expect(last('models.inspect').input).toEqual({ model: '/m/other.onnx' });
  });

  it('are those of a job that is taken up, and the model is opened anew at them', async () => {
    await open(request.model);
    wizard.take('j', { ...request, dims: { width: 7 } });
    await settle();
    expect(last('models.inspect').input).toEqual({ model: request.model, dims: { width: 7 } });
  });
});

describe('a package', () => {
  const component = (id: string, macs: number) => ({
    id,
    role: 'other',
    file: `${id}.onnx`,
    variants: [],
    bytes: 1,
    report: { ...inspected(`/p/${id}.onnx`), macs, prunableShare: 0.5 },
  });
  const workload = {
    family: 'vlm',
    about: 'one use',
    phases: [
      { name: 'see', component: 'tower', repeat: 1, dims: { batch: 1 } },
      { name: 'decode', component: 'decoder', repeat: 31, dims: { batch: 1, past: 40 } },
    ],
    metrics: [{ name: 'total', about: '', weights: { see: 1, decode: 31 } }],
    settings: { tokens: 32 },
    fields: [],
  };
  const report = {
    path: '/p',
    family: 'vlm',
    bytes: 3,
    configs: [],
    components: [component('tower', 100), component('decoder', 10), { ...component('odd', 1), report: null }],
    workload,
    notes: [],
    id: '1'.repeat(64),
    corrected: null,
  };
  const openPackage = async (): Promise<void> => {
    const opening = wizard.openOwn('/p');
    await settle();
    last('packages.inspect').answer(report);
    await opening;
  };

  it('is opened with the component that has most to prune, and a job names both', async () => {
    await openPackage();
    expect([wizard.package.component, wizard.model]).toEqual(['decoder', '/p/decoder.onnx']);
    wizard.profileOperators();
    expect(last('models.profile').input).toMatchObject({ model: '/p/decoder.onnx', dims: { batch: 1, past: 40 } });
    wizard.setUse('tokens', 8);
    wizard.measure();
    const part = { package: '/p', component: 'decoder', metric: 'total', settings: { tokens: 8 } };
    expect(last('budget.reach').input).toMatchObject({ model: '/p/decoder.onnx', part });
    expect(last('budget.reach').input['dims']).toBeUndefined();
    wizard.choose('tower');
    wizard.setMetric('per-token');
    void wizard.start();
    expect(last('jobs.start').input).toMatchObject({
      model: '/p/tower.onnx',
      part: { ...part, component: 'tower', metric: 'per-token' },
    });
  });

  it('lets nothing be gone on with where no component can be inspected', async () => {
    const opening = wizard.openOwn('/p');
    await settle();
    last('packages.inspect').answer({ ...report, components: [{ ...component('odd', 1), report: null }] });
    await opening;
    expect(wizard.package.report).not.toBeNull();
    expect(wizard.blocked('budget')).toBe('component');
  });

  it('is opened again at the settings of a job, and at another family without them', async () => {
    const part = { package: '/p', component: 'tower', metric: 'total', settings: { tokens: 8 } };
    wizard.take('j', { ...request, model: '/p/tower.onnx', part });
    await settle();
    expect(last('packages.inspect').input).toEqual({ package: '/p', settings: { tokens: 8 } });
    last('packages.inspect').answer(report);
    await settle();
    expect([wizard.package.component, wizard.job]).toEqual(['tower', 'j']);
    const correcting = wizard.setFamily('lm');
    last('models.family').answer({});
    await settle();
    expect(last('models.family').input).toEqual({ sha256: report.id, family: 'lm' });
    last('packages.inspect').answer({ ...report, corrected: 'lm' });
    await correcting;
    expect([wizard.package.component, wizard.package.settings]).toEqual(['tower', {}]);
  });
});
