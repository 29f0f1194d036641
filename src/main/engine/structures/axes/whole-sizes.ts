/**
 * Sizes that count positions. A number determines the classes of OneHot and the steps of Range, and no rule cuts their
 * results. Where the number is computed from a cut width, they keep getting the original number.
 */
import type { cloneModel } from '../../ir/clone.ts';
import type { Facts } from '../../ir/facts.ts';
import type { Model } from '../../ir/model.ts';
import type { Node } from '../../ir/node.ts';
import type { Value } from '../../ir/value.ts';
import type { Follows } from './follows.ts';
import { uncut } from './uncut.ts';

/**
 * @param follows numbers of the model that follow the cut
 * @param whole operators that need the numbers from before it
 */
export function keepWholeSizes(
  model: Model,
  facts: Facts,
  follows: Follows,
  clone: ReturnType<typeof cloneModel>,
  whole: (n: Node) => boolean,
): void {
  const made = new Map<Value, Value>();
  for (const node of model.graph.nodes()) {
    const copy = clone.nodes.get(node);
    if (!copy?.graph || !whole(node)) continue;
    node.inputs.forEach((v, i) => {
      const before = v && follows.has(v) ? uncut(v, copy, { facts, follows, clone, made }) : null;
      if (before) copy.setInput(i, before);
    });
  }
}
