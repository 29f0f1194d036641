/** The pruned model equals the masked one on real models, for random plans. */
import { describe, expect, it } from 'vitest';
import { amplifySignals, fillZoo } from '../support/zoo.ts';
import { assetPath, zooPath } from '../support/assets.ts';
import { exposeFrozen, oracle, prepare, randomPlan } from '../support/prune.ts';
import { buildGroups } from '../../src/main/engine/structures/axes/groups.ts';
import { openModelFile } from '../../src/main/storage/model-files.ts';

const ASSETS = ['resnet20_cifar10', 'resnet20_cifar10_bn', 'mobilenet_v2_imagenet', 'resnet8_cifar10', 'superres_x3'];
const ZOO: string[] = ['alexnet', 'shufflenet_v2_x1_0'];
// SECATEUR_ZOO=all (or names) widens the run, which then takes minutes instead of seconds.
const wanted = process.env['SECATEUR_ZOO']?.split(',');

const timed = (f: () => void): number => {
  const t = performance.now();
  f();
  return performance.now() - t;
};
const report = process.env['SECATEUR_REPORT'] === '1';

async function check(path: string, zoo: boolean): Promise<void> {
  const model = openModelFile(path);
  if (zoo) await amplifySignals(fillZoo(model, 1));
  const t0 = performance.now();
  const p = await prepare(model);
  const t1 = performance.now();
  exposeFrozen(p);
  const t2 = timed(() => buildGroups(p.model, p.facts));
  const result = await oracle(p, randomPlan(p, 7, 0.3, 0.25));
  if (report)
    console.log(
      `${path.split('/').at(-1)} groups ${p.analysis.groups.length} units ${p.analysis.groups.reduce((n, g) => n + g.units, 0)} blocks ${p.blocks.length} skipped ${p.analysis.skipped.length} error ${result.error.toExponential(1)} effect ${result.effect.toExponential(1)} prepare ${Math.round(t1 - t0)} ms, groups alone ${Math.round(t2)} ms\n` +
        Object.entries(Object.groupBy(p.analysis.skipped, (s) => `${s.operator.split(' ')[0]}: ${s.reason}`))
          .map(([k, v]) => `   ${v!.length} x ${k}  (${v![0]!.group} <- ${v![0]!.operator})`)
          .join('\n'),
    );
  expect(p.analysis.groups.length).toBeGreaterThan(0);
  expect(result.error).toBeLessThan(2e-4);
  expect(result.effect).toBeLessThan(Infinity);
  // Masking must change far more than rounding does; otherwise the comparison proves nothing.
  expect(result.effect).toBeGreaterThan(100 * result.error);
}

describe('real models', () => {
  for (const name of wanted ?? ASSETS) {
    const path = assetPath(`models/${name}.onnx`);
    it.skipIf(!path)(name, async () => check(path!, false));
  }
});

describe('architectures without weights', () => {
  for (const name of wanted ?? ZOO) {
    const path = zooPath(`${name}.onnx`);
    it.skipIf(!path)(name, async () => check(path!, true), 600_000);
  }
});
