/**
 * Replaces operators without a gradient by single operators that have one. The result holds for the sizes of the facts
 * alone and serves training; weights keep their names.
 */
import { SecateurError } from '../../../shared/contract/errors.ts';
import { GraphBuilder } from '../autodiff/builder.ts';
import { importDomains } from '../autodiff/walker.ts';
import type { Facts, TensorFacts } from '../ir/facts.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Value } from '../ir/value.ts';
import type { ExpandRule } from '../ops/contract.ts';
import { operatorFor } from '../ops/registry.ts';

/**
 * Changes the model in place.
 * @param facts of this model
 * @returns number of operators replaced
 * @throws 'gradient-unsupported' for an operator whose attributes or inputs are not expanded
 */
export function expandFused(model: Model, facts: Facts): number {
  const { graph } = model;
  const b = new GraphBuilder(graph, model.opset);
  const constants = new Map<string, Value>();
  const shared = (key: string, make: () => Tensor): Value => {
    const constant = constants.get(key) ?? b.tensor(make());
    constants.set(key, constant);
    return constant;
  };
  // Facts of replaced values, for operators that read their replacements.
  const known = new Map<Value, TensorFacts>(facts);
  const shape = (v: Value): readonly number[] => known.get(v)?.shape ?? v.initializer?.dims ?? [];
  const dtype = (v: Value): number | undefined => known.get(v)?.dtype ?? v.initializer?.dtype ?? v.type?.elemType;
  let count = 0;
  for (const node of [...graph.nodes()]) {
    const rule = operatorFor(node.key)?.expand;
    if (!rule) continue;
    b.before = node;
    const values = applied(rule, node, { b, shape, dtype, shared });
    for (const [i, v] of values.entries()) {
      const fact = v && node.outputs[i] && known.get(node.outputs[i]);
      if (fact) known.set(v, fact);
    }
    replace(b, node, values);
    count++;
  }
  importDomains(model);
  return count;
}

function applied(rule: ExpandRule, node: Node, ctx: Omit<Parameters<ExpandRule>[0], 'node'>): (Value | null)[] {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new SecateurError('gradient-unsupported', { operator: node.key, node: node.label, reason }, { cause });
  };
  try {
    const values = rule({ ...ctx, node });
    const missing = node.outputs.find((v, i) => !values[i] && (v.isUsed || v.isGraphOutput));
    return missing ? refuse(`its output ${missing.name} is not computed in single operators`) : values;
  } catch (e) {
    if (e instanceof SecateurError) throw e;
    return refuse(e instanceof Error ? e.message : String(e), e);
  }
}

function replace(b: GraphBuilder, node: Node, values: readonly (Value | null)[]): void {
  const graph = node.graph!;
  const named: [Value, string][] = [];
  for (const [i, old] of node.outputs.entries()) {
    const value = values[i];
    if (!value) continue;
    if (!old.isGraphOutput) old.replaceAllUsesWith(value);
    else {
      // An output of the graph has a node of its own, because several may be one value.
      const out = b.op('Identity', [value]);
      out.type = old.type;
      old.replaceAllUsesWith(out);
      named.push([out, old.name]);
    }
  }
  graph.remove(node);
  for (const [out, name] of named) out.name = name;
}
