/**
 * Predicted against measured latency: models cut to several uniform and mixed widths by the real
 * surgery and measured end to end beside the original. Prints the error of the prediction, as
 * ratios to the original. Usage: node scripts/run.mjs bench/latency-prediction.ts MODEL.onnx ...
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Model } from '../src/main/engine/ir/model.ts';
import type { KeepCounts } from '../src/main/engine/latency/widths.ts';
import { readModel } from '../src/main/engine/onnx/index.ts';
import { choiceOf } from '../src/main/engine/structures/choices.ts';
import { findStructures } from '../src/main/engine/structures/find.ts';
import { applyPlan } from '../src/main/engine/structures/apply.ts';
import { seededRandom } from '../src/main/engine/random.ts';
import { benchmark } from '../src/main/runtime/bench.ts';
import { createExecutor } from '../src/main/runtime/executor.ts';
import { collectFacts } from '../src/main/runtime/facts.ts';
import { buildLatencyModel } from '../src/main/runtime/latency-model.ts';

/** The offered count nearest to a ratio. */
const nearest = (counts: readonly number[], want: number): number =>
  counts.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));

export async function comparePrediction(path: string): Promise<void> {
  const model = readModel(new Uint8Array(readFileSync(path)));
  const facts = await collectFacts(model, createExecutor());
  const { analysis, structures } = findStructures(model, facts);
  const start = performance.now();
  const cut = (keep: KeepCounts): Model => {
    const choices = structures
      .filter((s) => keep.has(s.id))
      .map((s) =>
        choiceOf(
          s,
          Array.from({ length: s.units - keep.get(s.id)! }, (_, i) => keep.get(s.id)! + i),
        ),
      );
    return applyPlan({ model, facts, structures }, { choices }).model;
  };
  const built = await buildLatencyModel(model, facts, analysis.groups, { cut });
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `\n${basename(path)}: ${analysis.groups.length} groups, table in ${seconds.toFixed(1)} s (${built.measured} signatures measured), baseline ${built.model.baselineMs.toFixed(3)} ms`,
  );
  for (const g of analysis.groups.slice(0, 6)) console.log(`  counts of ${g.id}: ${built.counts.get(g.id)?.join(' ')}`);
  const random = seededRandom(7);
  const plans = [
    // The correction was fitted to the models marked with *, so their error shows the fit and not
    // the prediction.
    ...[0.75, 0.5, 0.35, 0.25].map((r) => ({
      name: `uniform ${r}${r === 0.5 || r === 0.35 ? '*' : ''}`,
      ratio: () => r,
    })),
    ...[1, 2, 3, 4, 5, 6].map((i) => ({ name: `mixed ${i}`, ratio: () => 0.2 + 0.8 * random.next() })),
  ];
  const cases = plans.map((p) => {
    const keep = new Map(
      analysis.groups.map((g) => [g.id, nearest(built.counts.get(g.id) ?? [g.units], p.ratio() * g.units)]),
    );
    return { name: p.name, keep, predicted: built.model.predict(keep) / built.model.baselineMs, model: cut(keep) };
  });
  const measured = await benchmark([{ name: 'original', model }, ...cases], { maxSeconds: 25, precision: 0.01 });
  for (const [i, c] of cases.entries()) {
    const { ratio, stats, quietRatio, contention } = measured[i + 1]!;
    const error = c.predicted / ratio.value - 1;
    console.log(
      `  ${c.name.padEnd(13)} predicted ${c.predicted.toFixed(3)}  measured ${ratio.value.toFixed(3)} [${ratio.low.toFixed(3)}, ${ratio.high.toFixed(3)}], undisturbed ${quietRatio.toFixed(3)} (p50 ${stats.p50Ms.toFixed(3)} ms, contention ${contention.toFixed(2)})  error ${(error * 100).toFixed(1)} %`,
    );
  }
}

for (const path of process.argv.slice(2).filter((a) => a.endsWith('.onnx'))) await comparePrediction(path);
