/**
 * A decoder whose logits can be computed by hand. Its two caches hold one-hot rows of tokens and differ in length: the
 * second one keeps only the last token of the prompt.
 */
import { int } from '../../src/main/engine/ir/attribute.ts';
import { DType } from '../../src/main/engine/ir/dtype.ts';
import type { Model } from '../../src/main/engine/ir/model.ts';
import { f32 } from '../../src/main/engine/ir/tensor.ts';
import type { Value } from '../../src/main/engine/ir/value.ts';
import { Net } from './topologies.ts';

export const WORDS = 6;

const eye = Float32Array.from({ length: WORDS * WORDS }, (_, i) => Number(i % (WORDS + 1) === 0));
/** Each token is followed by the one after it. */
const next = Float32Array.from({ length: WORDS * WORDS }, (_, i) =>
  Number((Math.floor(i / WORDS) + 1) % WORDS === i % WORDS),
);

/** Shares of the terms in the logits. */
const TERMS = { first: 0.1, second: 0.01, positions: 0.001, mask: 0.0001 };

/** @param states reads `encoder_hidden_states` through a cache of cross-attention, as merged decoders do */
export function countingDecoder(states = false): Model {
  const n = new Net();
  const { graph } = n.model;
  const input = (name: string, elemType: number, ...shape: (number | string)[]): Value =>
    graph.addInput(name, { elemType, shape });
  const output = (v: Value, name: string): void => {
    const out = n.op('Identity', [v]);
    out.name = name;
    graph.outputs.push(out);
  };
  const scaled = (v: Value, by: number): Value => n.op('Mul', [v, n.constant(f32([by], []))]);
  const asFloat = (v: Value): Value => n.op('Cast', [v], { to: int(DType.FLOAT) });
  const sumOver = (v: Value, axis: number): Value => n.op('ReduceSum', [v, n.ints(axis)], { keepdims: int(1) });

  const ids = input('input_ids', DType.INT64, 'batch', 'sequence');
  const mask = input('attention_mask', DType.INT64, 'batch', 'total');
  const positions = input('position_ids', DType.INT64, 'batch', 'sequence');
  const rows = n.op('Gather', [n.constant(f32(eye, [WORDS, WORDS])), ids]);
  const fresh = n.op('Unsqueeze', [rows, n.ints(1)]);
  const caches = [fresh, n.op('Slice', [fresh, n.ints(-1), n.ints(1 << 30), n.ints(2)])].map((more, i) => {
    const past = input(`past_key_values.${i}.key`, DType.FLOAT, 'batch', 1, `past${i}`, WORDS);
    const present = n.op('Concat', [past, more], { axis: int(2) });
    output(present, `present.${i}.key`);
    return n.op('Squeeze', [sumOver(present, 2), n.ints(1)]);
  });
  const terms = [
    n.op('MatMul', [rows, n.constant(f32(next, [WORDS, WORDS]))]),
    scaled(caches[0]!, TERMS.first),
    scaled(caches[1]!, TERMS.second),
    scaled(asFloat(n.op('Unsqueeze', [positions, n.ints(2)])), TERMS.positions),
    scaled(n.op('Unsqueeze', [sumOver(asFloat(mask), 1), n.ints(2)]), TERMS.mask),
  ];
  if (states) terms.push(crossed(n, input, output));
  output(
    terms.reduce((a, b) => n.add(a, b)),
    'logits',
  );
  return n.model;
}

/** Sum of the states, from themselves in the first run and from the cache afterwards; then the new cache is empty. */
function crossed(
  n: Net,
  input: (name: string, elemType: number, ...shape: (number | string)[]) => Value,
  output: (v: Value, name: string) => void,
): Value {
  const states = input('encoder_hidden_states', DType.FLOAT, 'batch', 'states', WORDS);
  const past = input('past_key_values.0.encoder.key', DType.FLOAT, 'batch', 1, 'kept', WORDS);
  const cached = n.op('Cast', [input('use_cache_branch', DType.BOOL, 1)], { to: int(DType.INT64) });
  const all = n.op('Mul', [n.op('Sub', [n.ints(1), cached]), n.ints(1 << 30)]);
  const present = n.op('Slice', [n.op('Unsqueeze', [states, n.ints(1)]), n.ints(0), all, n.ints(2)]);
  output(present, 'present.0.encoder.key');
  const read = n.op('Concat', [past, present], { axis: int(2) });
  return n.op('Squeeze', [n.op('ReduceSum', [read], { keepdims: int(1) }), n.ints(1)], {});
}

/** Logits of the last token of `read`, after `prompt` tokens were read at once and the others one by one. */
export function expectedLogits(read: readonly number[], prompt: number): number[] {
  const count = (list: readonly number[], word: number): number => list.filter((t) => t === word).length;
  const last = read.length - 1;
  return Array.from(
    { length: WORDS },
    (_, word) =>
      Number((read[last]! + 1) % WORDS === word) +
      TERMS.first * count(read, word) +
      TERMS.second * count(read.slice(prompt - 1), word) +
      TERMS.positions * last +
      TERMS.mask * read.length,
  );
}

export const PICTURE_SIDE = 4;

/** pixel_values [batch, 1, 4, 4] -> last_hidden_state [batch, 4, 6]: each row of pixels, with two zeros. */
export function rowEncoder(): Model {
  const n = new Net();
  const x = n.model.graph.addInput('pixel_values', {
    elemType: DType.FLOAT,
    shape: ['batch', 1, PICTURE_SIDE, PICTURE_SIDE],
  });
  const rows = n.op('Squeeze', [x, n.ints(1)]);
  const out = n.op('Pad', [rows, n.ints(0, 0, 0, 0, 0, WORDS - PICTURE_SIDE)]);
  out.name = 'last_hidden_state';
  n.model.graph.outputs.push(out);
  return n.model;
}
