/**
 * Tests the keys of every stage, derived value and set of figures defined in the pipeline and in
 * tasks.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keyed } from '../../../test/support/keyed.ts';
import { definitions, type Defined } from './stage.ts';

// These imports load all definitions.
import './compress-package.ts';
import './compress.ts';
import '../tasks/devices.ts';

const COST = ['prepared', 'calibration', 'scored', 'allocation', 'compensation', 'ranking', 'refit', 'probes', 'threads']; // prettier-ignore
const TIMED = ['prepared', 'machine', 'threads', 'provider', 'batch'];

/** The complete inputs of each definition. */
const INPUTS: Record<string, readonly string[]> = {
  // Results about a model and its data.
  sizes: ['file', 'batch', 'dims', 'shapes'],
  'batch-agreement': ['model', 'runtime'],
  'free-batch': ['model', 'runtime'],
  facts: ['source', 'graph', 'batch', 'runtime'],
  prepare: ['source', 'batch', 'runtime'],
  readings: ['prepared', 'meanings'],
  images: [],
  split: ['dataset', 'holdout', 'seed'],
  calibration: ['source', 'samples', 'count', 'size', 'seed'],
  'larger-batches': ['prepared', 'calibration'],
  'token-cut': ['prepared', 'schedule'],
  'fewer-tokens': ['source', 'prepared', 'cut', 'batch', 'runtime'],
  'recorded-inputs': ['asked', 'threads'],
  // Results about the machine and the conditions.
  providers: ['device'],
  baseline: TIMED,
  phases: ['prepared', 'phases'],
  latency: [...TIMED, 'baseline', 'phase'],
  bias: [...TIMED, 'allocation', 'blocks', 'channels'],
  // Results shared by all budgets.
  scores: ['source', 'prepared', 'calibration', 'criterion', 'seed', 'threads'],
  'complete-scores': ['prepared', 'raw', 'criterion'],
  curvature: ['prepared', 'calibration', 'scored', 'compensation', 'probes', 'threads'],
  'output-change': ['prepared', 'calibration', 'scored', 'compensation', 'ranking', 'refit', 'threads', 'reference'],
  targets: ['prepared', 'calibration', 'threads'],
  // Results of one job.
  'job-model': ['job'],
  tokens: ['prepared', 'calibration', 'tokens', 'seed', 'threads', 'search'],
  allocate: [...COST, 'known', 'search'],
  // Results of one plan.
  'token-fit': ['prepared', 'schedule', 'calibration', 'threads'],
  compensate: ['prepared', 'calibration', 'plan', 'compensation', 'rounds', 'threads'],
  recover: ['prepared', 'compensated', 'samples', 'seed', 'threads', 'seconds', 'optimizer', 'learningRate', 'batch', 'temperature', 'alpha', 'augment'], // prettier-ignore
  result: ['result', 'original'],
};

const defined = new Map(definitions().map((d) => [d.name, d]));
const given = (d: Defined<never>) => Object.fromEntries(d.inputs.map((name) => [name, keyed(null, name)]));

it('every definition is in the table', () => {
  const found = Object.fromEntries([...defined].map(([name, d]) => [name, [...d.inputs].sort()]));
  expect(found).toEqual(Object.fromEntries(Object.entries(INPUTS).map(([name, inputs]) => [name, [...inputs].sort()])));
});

describe.each(Object.keys(INPUTS))('the key of %s', (name) => {
  const d = defined.get(name) as unknown as Defined<never>;
  const key = (change: object = {}): string => d.key({ ...given(d), ...change } as never);
  it.each(INPUTS[name]!)('changes with %s', (input) => {
    expect(key({ [input]: keyed(null, 'changed') })).not.toBe(key());
  });
  it('stays where something else changes', () => {
    const others = [...new Set(Object.values(INPUTS).flat())].filter((i) => !d.inputs.includes(i));
    expect(others.length).toBeGreaterThan(0);
    for (const other of others) expect(key({ [other]: keyed(null, 'changed') }), other).toBe(key());
  });
});

it('keys are made of inputs alone: nothing else reaches the stores, and leaves stand in one file', () => {
  const root = join(import.meta.dirname, '..');
  const sources = globSync('**/*.ts', { cwd: root }).filter((f) => !f.endsWith('.test.ts'));
  const holding = (pattern: RegExp): string[] =>
    sources.filter((f) => pattern.test(readFileSync(join(root, f), 'utf8'))).map((f) => f.replaceAll('\\', '/'));
  expect(holding(/\.(artifact|memo)\(/)).toEqual(['pipeline/stage.ts']);
  expect(holding(/\bleaf\(/).sort()).toEqual(['pipeline/leaves.ts']);
  expect(holding(/import \{[^}]*\bleaf\b[^}]*\} from '.*\/stage\.ts'/)).toEqual(['pipeline/leaves.ts']);
});
