import { int, type Attribute } from '../../ir/attribute.ts';
import type { Value } from '../../ir/value.ts';
import { ExampleNet, type KindExample } from '../example.ts';

const [BATCH, TOKENS, WIDTH, HEADS, SIZE] = [2, 5, 6, 3, 4];

/** Attention with `HEADS` heads of `SIZE` dimensions in one operator, and keys and values of `groups` heads. */
function fused(opType: string, groups: number, attributes: Record<string, Attribute>): ExampleNet & { y: Value } {
  const n = new ExampleNet();
  const x = n.input(BATCH, TOKENS, WIDTH);
  const [q, k, v] = [HEADS, groups, groups].map((heads) => n.linear(x, WIDTH, heads * SIZE));
  const y = n.linear(n.b.op(opType, [q!, k!, v!], attributes, 'com.microsoft'), HEADS * SIZE, 3);
  return Object.assign(n, { y });
}

export const examples: readonly KindExample[] = [
  {
    name: 'heads, and their dimensions, between reshapes',
    units: [HEADS, SIZE, SIZE],
    build: () => {
      const n = new ExampleNet();
      const x = n.input(BATCH, TOKENS, WIDTH);
      const heads = (): Value => {
        const split = n.b.reshape(n.linear(x, WIDTH, HEADS * SIZE), [BATCH, TOKENS, HEADS, SIZE]);
        return n.b.transpose(split, [0, 2, 1, 3]);
      };
      const [q, k, v] = [heads(), heads(), heads()];
      const scores = n.b.mul(n.b.matmul(q, n.b.transpose(k, [0, 1, 3, 2])), n.b.scalar(0.5));
      const mixed = n.b.matmul(n.b.op('Softmax', [scores], { axis: int(-1) }), v);
      const merged = n.b.reshape(n.b.transpose(mixed, [0, 2, 1, 3]), [BATCH, TOKENS, HEADS * SIZE]);
      return n.model(n.linear(merged, HEADS * SIZE, 3));
    },
  },
  {
    name: 'heads inside one operator',
    units: [HEADS],
    build: () => {
      const n = fused('MultiHeadAttention', HEADS, { num_heads: int(HEADS) });
      return n.model(n.y);
    },
  },
  {
    name: 'embeddings that are compared are no heads',
    units: [],
    build: () => {
      const n = new ExampleNet();
      const embedding = (): Value => n.linear(n.b.relu(n.linear(n.input(2, 5), 5, 6)), 6, 4);
      const logits = n.b.matmul(embedding(), n.b.transpose(embedding(), [1, 0]));
      return n.model(n.b.op('Softmax', [logits], { axis: int(-1) }));
    },
  },
];
