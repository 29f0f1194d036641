/**
 * The meaning of each output of a model. Every head states the strength of its evidence (the end of the graph, labels
 * and class names from the data, the output's name and shape), and the strongest evidence decides. Two axes alone are
 * no evidence for classes: an embedding or a regression would be trained and judged by classes that it does not have.
 */
import type { OutputMeaning } from '../../../shared/model/job.ts';
import {
  ImpossibleReading,
  type Claim,
  type Found,
  type Look,
  type Meanings,
  type Outputs,
} from '../heads/contract.ts';
import { HEADS, type Heads } from '../heads/registry.ts';
import { labelledOutput } from '../heads/support/labelled.ts';
import { outputOf, type Evidence, type Layouts, type Output } from '../heads/support/output.ts';
import type { Facts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';

export { ImpossibleReading, type Evidence, type Meanings };

/**
 * Meanings in the graph's order.
 * @throws ImpossibleReading where a reading that the user set does not fit
 */
export function outputMeanings(model: Model, evidence: Evidence, heads = HEADS): Meanings {
  const known = model.graph.outputs.map((v) => v.name);
  for (const name of Object.keys(evidence.given ?? {}))
    if (!known.includes(name))
      throw new ImpossibleReading(`there is no output ${name}; the outputs are ${known.join(', ')}`);
  const outputs = model.graph.outputs.map((v) => outputOf(v, evidence.shapeOf(v.name), evidence.batchAxisOf?.(v.name)));
  const e: Evidence = { ...evidence, layouts: evidence.layouts ?? layoutsOf(outputs, heads) };
  const labelled =
    typeof e.largestLabel === 'number' ? labelledOutput(outputs, { ...e, largestLabel: e.largestLabel }) : null;
  const out = new Map<string, OutputMeaning>();
  for (const o of outputs) {
    const { name } = o;
    const wanted = e.given?.[name];
    const mine = labelled?.name === name && labelled.fits;
    // Labels apply to one output and are no evidence about the others.
    const own: Evidence = mine ? { ...e, ...(labelled.guessed && { chosen: labelled }) } : { ...e, largestLabel: null };
    const head = wanted ? heads.of(wanted) : null;
    const found = head ? { reading: head.reading, ...head.accept(o, own) } : strongest(o, own, heads);
    const batchAxis = e.batchAxisOf?.(name);
    out.set(name, {
      name,
      source: wanted ? 'given' : 'inferred',
      ...found,
      ...(batchAxis && { batchAxis }),
      ...(mine && found.reading === 'classes' && { labels: true }),
    });
  }
  return out;
}

/** Outputs that belong together, by their names and shapes. */
const layoutsOf = (outputs: readonly Output[], heads: Heads): Layouts =>
  Object.fromEntries(heads.all().map((h) => [h.reading, h.layoutOf?.(outputs) ?? []]));

/** Outputs that belong together, by their values. @param picture height and width of the input, where it is a picture */
export const layoutsIn = (
  outputs: Outputs,
  order: readonly string[],
  picture: Look['picture'],
  heads = HEADS,
): Layouts => Object.fromEntries(heads.all().map((h) => [h.reading, h.layoutIn?.(outputs, order, picture) ?? []]));

type Read = Found & Pick<OutputMeaning, 'reading'>;

/** The reading with the strongest evidence. The head of numbers claims every output. */
function strongest(o: Output, e: Evidence, heads: Heads): Read {
  let best: { read: Read; strength: number } | null = null;
  for (const head of heads.all()) {
    const claim: Claim | null = head.claim(o, e);
    if (!claim || (best && claim.strength <= best.strength)) continue;
    const { strength, ...found } = claim;
    best = { read: { reading: head.reading, ...found }, strength };
  }
  return best!.read;
}

/** Meanings without data: from the graph and the shapes of its instrumented run. */
export function meaningsOf(p: {
  readonly model: Model;
  readonly facts: Facts;
  readonly meanings?: Meanings | undefined;
}): Meanings {
  if (p.meanings) return p.meanings;
  const facts = new Map(p.model.graph.outputs.map((v) => [v.name, p.facts.get(v)]));
  return outputMeanings(p.model, {
    shapeOf: (name) => {
      const fact = facts.get(name);
      return fact && { dims: fact.shape, dtype: fact.dtype };
    },
    inputs: p.model.graph.inputs
      .filter((v) => !v.isInitializer)
      .map((v) => {
        const fact = p.facts.get(v);
        return { name: v.name, dims: fact?.shape ?? [], ...(fact && { dtype: fact.dtype }) };
      }),
  });
}

/** The output that labels are compared with, else the first output of classes. */
export function classesIn(meanings: Meanings, order: Iterable<string> = meanings.keys()): string | undefined {
  const names = [...order].filter((name) => meanings.get(name)?.reading === 'classes');
  return names.find((name) => meanings.get(name)!.labels) ?? names[0];
}

/** The parts of the meanings that affect results. */
export const meaningsKey = (meanings: Meanings): unknown =>
  [...meanings.values()].map(({ name, reading, axis, threshold, labels, batchAxis }) => [
    name,
    reading,
    axis ?? null,
    threshold ?? null,
    ...(labels ? ['labels'] : []),
    ...(batchAxis ? [batchAxis] : []),
  ]);
