/**
 * A latency unit (the nodes that one kernel of the runtime executes) and its signature, the key of a measurement:
 * operator types, attributes, shapes, dtypes, layout of the inputs, provider and threads.
 */
import type { Attribute } from '../ir/attribute.ts';
import { dtypeName } from '../ir/dtype.ts';
import type { Facts } from '../ir/facts.ts';
import type { Graph } from '../ir/graph.ts';
import type { Node } from '../ir/node.ts';
import type { Value } from '../ir/value.ts';

export interface LatencyUnit {
  /** Label of the first node. */
  readonly name: string;
  /** Operator type of the kernel in the runtime's naming. */
  readonly opType: string;
  readonly nodes: readonly Node[];
  /** Values computed by other units that depend on the input's data. */
  readonly inputs: readonly Value[];
  /** Those of `inputs` that arrive in the runtime's blocked layout. */
  readonly blockedInputs: ReadonlySet<Value>;
  /** Initializers and values that do not depend on data. */
  readonly constants: readonly Value[];
  /** Values that other units, or only the caller, read. */
  readonly outputs: readonly Value[];
  /** Ids of the groups that change its shapes. */
  readonly groups: readonly string[];
  /** Measured inside the whole model, layout changes included. */
  readonly profiledMs: number;
}

/** A unit at given shapes. */
export interface UnitSpec {
  readonly unit: LatencyUnit;
  readonly shape: (v: Value) => readonly number[];
  readonly signature: string;
}

export interface MeasureConditions {
  readonly provider: string;
  readonly threads: number;
}

/** Longer constants do not affect the time. */
const LONGEST_CONSTANT = 16;

const plain = (a: Attribute): string => {
  switch (a.kind) {
    case 'tensor':
      return `T${a.value.dims.join('x')}`;
    case 'string':
      return new TextDecoder().decode(a.value);
    case 'int':
    case 'float':
    case 'ref':
      return String(a.value);
    case 'ints':
    case 'floats':
      return `[${a.value.join()}]`;
    default:
      return a.kind;
  }
};

export function signatureOf(
  unit: LatencyUnit,
  shape: (v: Value) => readonly number[],
  facts: Facts,
  where: MeasureConditions,
): string {
  const seen = new Map<Value, string>();
  const text = (v: Value | null): string => {
    if (!v) return '-';
    const known = seen.get(v);
    if (known) return known;
    seen.set(v, `#${seen.size}`);
    const f = facts.get(v);
    const dims = shape(v).join('x');
    if (unit.inputs.includes(v))
      return `${dtypeName(f?.dtype ?? 0)}:${dims}${unit.blockedInputs.has(v) ? ':blocked' : ''}`;
    const values =
      f?.dtype !== 1 && f?.constant && f.constant.length <= LONGEST_CONSTANT ? `=${f.constant.join()}` : '';
    return `${dtypeName(f?.dtype ?? 0)}w${dims}${values}`;
  };
  const nodes = unit.nodes.map(line);
  function line(n: Node): string {
    const attributes = [...n.attributes]
      // The group count follows the widths; the count from before surgery would split equal cases.
      .filter(([k]) => k !== 'group')
      .map(([k, a]) => `${k}=${a.kind === 'graph' ? inside(a.value) : plain(a)}`)
      .sort();
    const said = `${n.key}{${attributes.join(';')}}(${n.inputs.map(text).join(' ')})`;
    for (const o of n.outputs) seen.set(o, `#${seen.size}`);
    return said;
  }
  function inside(g: Graph): string {
    const inputs = g.inputs.map(
      (v) => `${dtypeName(facts.get(v)?.dtype ?? v.type?.elemType ?? 0)}:${shape(v).join('x')}`,
    );
    for (const v of g.inputs) seen.set(v, `#${seen.size}`);
    const lines = [...g.nodes()].map(line);
    return `[${inputs.join(' ')}|${lines.join('|')}|${g.outputs.map(text).join(' ')}]`;
  }
  return `${where.provider}/${where.threads}|${nodes.join('|')}`;
}
