// Tests the state of the page on which a package is tried, without a page: which questions are asked, the pieces of
// answers, and times that no longer apply.
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { TokenLook } from '../../shared/model/visual-tokens.ts';

interface Asked {
  readonly route: string;
  readonly input: Record<string, unknown>;
  readonly call: string | undefined;
  answer(data: unknown): void;
  refuse(code: string): void;
}
const asked: Asked[] = [];
const abandoned: string[] = [];
Object.assign(globalThis, {
  location: { hash: '' },
  secateur: {
    request: (route: string, input: Record<string, unknown>, call?: string) =>
      new Promise((done) => {
        const refuse = (code: string): void =>
          done({ ok: false, error: { code, message: code, remedy: '', detail: {} } });
        asked.push({ route, input, call, answer: (data) => done({ ok: true, data }), refuse });
      }),
    abandon: (call: string) => void abandoned.push(call),
    on: () => () => undefined,
  },
});
// Files may share a worker, in which the modules hold the connection of another test.
vi.resetModules();
const { trial } = await import('./trial.svelte.ts');
const { answerMs } = await import('./answer.svelte.ts');
const { wizard } = await import('./wizard.svelte.ts');

const settle = (): Promise<void> => new Promise((done) => setTimeout(done));
const last = (route: string): Asked => asked.filter((a) => a.route === route).at(-1)!;
const count = (route: string): number => asked.filter((a) => a.route === route).length;
const report = (text: string) => ({ kind: 'answer', text, ids: [1], phases: [], notes: [], stop: 'end', promptTokens: 3, imageTokens: 16 }); // prettier-ignore
const method = (name: string, levels: number[]): TokenLook['methods'][number] => ({
  name,
  summary: '',
  levels,
  parts: name === 'pool' ? 'coarser' : 'kept',
  refused: levels.length ? null : 'why',
});
const look: TokenLook = {
  unanswered: null,
  refused: null,
  tokens: { free: 16, fixed: 0, images: 1 },
  methods: [method('dpp', [1, 2, 3, 4, 5, 15]), method('pool', [1, 4, 9]), method('tome', [])],
};
const times = (name: string | null) => ({
  method: name,
  original: { tokens: 16, ms: 40, noiseMs: 0 },
  points: [{ tokens: 1, ms: 10, noiseMs: 0 }, { tokens: 5, ms: 18, noiseMs: 0 }, { tokens: 15, ms: 38, noiseMs: 0 }], // prettier-ignore
});

let n = 0;
beforeEach(async () => {
  asked.length = abandoned.length = 0;
  wizard.package.settings = {};
  Object.assign(wizard, { threads: 2, provider: 'cpu' });
  Object.assign(trial, { prompt: 'where?', sampled: false, length: null });
  trial.picture.path = '/p/a.png';
  trial.open(`/m/package-${++n}`);
  last('tokens.look').answer(look);
  await settle();
});

describe('an answer', () => {
  it('is asked with the picture and the prompt, and grows by its own pieces only', async () => {
    const done = trial.ask();
    const { input } = last('answers.ask');
    expect(input).toEqual({ package: trial.path, image: '/p/a.png', prompt: 'where?', threads: 2, provider: 'cpu', ask: input['ask'] }); // prettier-ignore
    const ask = input['ask'] as string;
    trial.heard({ ask, text: 'row' });
    trial.heard({ ask: 'of another window', text: 'xyz' });
    trial.heard({ ask, text: '2' });
    expect(trial.original).toMatchObject({ text: 'row2', busy: true });
    last('answers.ask').answer(report('row2 col5'));
    await done;
    expect(trial.original).toMatchObject({ text: 'row2 col5', busy: false });
    trial.heard({ ask, text: 'late' });
    expect(trial.original.text).toBe('row2 col5');
    expect(count('answers.ask')).toBe(1);
  });

  it('of the smaller package follows the original, with the same seed', async () => {
    trial.chooseMethod('dpp');
    Object.assign(trial, { sampled: true, temperature: 0.7 });
    const done = trial.ask();
    const first = last('answers.ask');
    expect(count('answers.ask')).toBe(1);
    first.answer(report('a'));
    await settle();
    const second = last('answers.ask');
    expect(second.input).toMatchObject({ package: trial.path, fewer: { method: 'dpp', keep: 4 } });
    expect(second.input['sampling']).toEqual(first.input['sampling']);
    expect(second.input['sampling']).toMatchObject({ temperature: 0.7 });
    second.answer(report('b'));
    await done;
    expect([trial.original.text, trial.reduced.text]).toEqual(['a', 'b']);
  });

  it('that is stopped keeps its text, and the other one is not asked', async () => {
    trial.chooseMethod('dpp');
    const done = trial.ask();
    const { input, call } = last('answers.ask');
    trial.heard({ ask: input['ask'] as string, text: 'half' });
    trial.stop();
    expect(abandoned).toEqual([call]);
    expect(trial.original).toMatchObject({ text: 'half', stopped: true, busy: false, error: null });
    last('answers.ask').refuse('cancelled');
    await done;
    expect(trial.original.error).toBeNull();
    expect(count('answers.ask')).toBe(1);
  });

  it('that fails shows the error, and the other one is not asked', async () => {
    trial.against = 'folder';
    trial.folder = '/m/other';
    const done = trial.ask();
    last('answers.ask').refuse('image-unreadable');
    await done;
    expect(trial.original.error?.code).toBe('image-unreadable');
    expect(count('answers.ask')).toBe(1);
    const again = trial.ask();
    last('answers.ask').answer(report('a'));
    await settle();
    expect(last('answers.ask').input).toMatchObject({ package: '/m/other' });
    expect(last('answers.ask').input).not.toHaveProperty('fewer');
    last('answers.ask').answer(report('b'));
    await again;
  });

  it('comes from the written package until another number is chosen', async () => {
    trial.chooseMethod('pool');
    const writing = trial.write();
    expect(last('tokens.write').input).toMatchObject({ method: 'pool', keep: 4, image: '/p/a.png', prompt: 'where?' });
    last('tokens.write').answer({ written: { folder: '/out/small' } });
    await writing;
    const askBoth = async (): Promise<Record<string, unknown>> => {
      const done = trial.ask();
      last('answers.ask').answer(report('a'));
      await settle();
      const { input } = last('answers.ask');
      last('answers.ask').answer(report('a'));
      await done;
      return input;
    };
    expect(await askBoth()).toMatchObject({ package: '/out/small' });
    trial.keep = 9;
    trial.changed();
    expect(await askBoth()).toMatchObject({ package: trial.path, fewer: { method: 'pool', keep: 9 } });
  });

  it('needs a picture or a prompt', () => {
    expect(trial.canAsk).toBe(true);
    trial.picture.path = null;
    trial.prompt = '  ';
    expect(trial.canAsk).toBe(false);
    void trial.ask();
    expect(count('answers.ask')).toBe(0);
  });
});

describe('the time to the first token', () => {
  it('is read between measured points of the chosen method, under the conditions of now', async () => {
    trial.chooseMethod('dpp');
    expect(trial.predictedMs).toBeNull();
    trial.measureTimes();
    last('tokens.times').answer(times('dpp'));
    await settle();
    expect(trial.predictedMs).toBe(16);
    trial.keep = 5;
    expect(trial.predictedMs).toBe(18);
    wizard.threads = 1;
    expect(trial.predictedMs).toBeNull();
    wizard.threads = 2;
    trial.chooseMethod('pool');
    expect(trial.predictedMs).toBeNull();
  });

  it('of the original is kept apart', async () => {
    trial.measureGrowth();
    expect(last('tokens.times').input).toMatchObject({ method: null });
    last('tokens.times').answer(times(null));
    await settle();
    expect(trial.originalCurve?.points).toHaveLength(3);
    expect(trial.curve).toBeNull();
    wizard.package.settings = { prompt: 9 };
    expect(trial.originalCurve).toBeNull();
  });
});

describe('cells that stay', () => {
  it('are looked up for the picture and the choice, and not for averages', () => {
    trial.chooseMethod('dpp');
    trial.showCells();
    expect(last('tokens.cells').input).toEqual({ package: trial.path, image: '/p/a.png', method: 'dpp', keep: 4 });
    trial.picture.path = null;
    trial.showCells();
    expect(abandoned).toEqual([last('tokens.cells').call]);
    trial.picture.path = '/p/a.png';
    trial.chooseMethod('pool');
    trial.showCells();
    expect(count('tokens.cells')).toBe(1);
  });
});

it('another package clears what was found about the one before', async () => {
  trial.chooseMethod('dpp');
  const done = trial.ask();
  last('answers.ask').answer(report('a'));
  await settle();
  trial.open('/m/another');
  last('answers.ask').refuse('cancelled');
  await done;
  expect(trial).toMatchObject({ against: 'nothing', method: '', prompt: 'where?' });
  expect([trial.original.text, trial.original.report, trial.look.value]).toEqual(['', null, null]);
});

it('sums the phases before the first token', () => {
  const phases = [{ name: 'image', repeat: 1, ms: 1 }, { name: 'vision', repeat: 1, ms: 10 }, { name: 'prefill', repeat: 1, ms: 20 }, { name: 'decode', repeat: 4, ms: 8 }]; // prettier-ignore
  expect(answerMs({ phases })).toEqual({ picture: 1, vision: 10, prefill: 20, perToken: 2, first: 31 });
  expect(answerMs({ phases: phases.slice(2, 3) })).toMatchObject({ vision: null, perToken: null, first: 20 });
});
