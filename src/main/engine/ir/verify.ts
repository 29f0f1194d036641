import { SecateurError } from '../../../shared/contract/errors.ts';
import { byteSize, dtypeName } from './dtype.ts';
import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Node } from './node.ts';
import { needsEveryOutput } from './outputs.ts';
import type { Value } from './value.ts';

/**
 * Checks that the links of a model are consistent: the list of nodes, producers, uses, ownership, order, names,
 * subgraph reads, and that initializers have as much data as their shape requires. Linear in the size of the model;
 * reads no tensor data.
 * @throws 'model-invalid' with the first inconsistency
 */
export function verifyModel(model: Model): void {
  const uses: Uses = new Map();
  verifyGraph(model.graph, new Set(), uses);
  for (const [v, expected] of uses) {
    const have = v.uses();
    for (const { node, index } of have)
      if (node.input(index) !== v) fail(`${v.name} lists ${node.label} as a reader, which reads something else`);
    if (have.length !== expected.length)
      fail(`${v.name} has ${expected.length} readers in the model and lists ${have.length}`);
  }
}

function fail(reason: string): never {
  throw new SecateurError('model-invalid', { reason });
}

type Uses = Map<Value, { node: Node; index: number }[]>;

/**
 * `visible` holds readable values: those of outer graphs, and those of this one as checking proceeds. It is restored at
 * the end.
 */
function verifyGraph(g: Graph, visible: Set<Value>, uses: Uses): void {
  const names = new Set<string>();
  const mine: Value[] = [];
  const own = (v: Value, what: string): void => {
    if (!v.name) fail(`${what} has no name`);
    if (v.graph !== g) fail(`${v.name} (${what}) does not know its graph`);
    if (visible.has(v)) return;
    if (names.has(v.name)) fail(`two values are named ${v.name}`);
    names.add(v.name);
    visible.add(v);
    mine.push(v);
    if (!uses.has(v)) uses.set(v, []);
  };
  for (const v of g.inputs) {
    if (v.producer) fail(`graph input ${v.name} has a producer`);
    own(v, 'a graph input');
  }
  for (const v of g.initializers) {
    if (v.producer) fail(`initializer ${v.name} has a producer`);
    own(v, 'an initializer');
    verifyData(v);
  }
  verifyNodes(g, visible, uses, own);
  for (const v of g.outputs) if (!visible.has(v)) fail(`nothing makes the graph output ${v.name}`);
  for (const v of mine) visible.delete(v);
}

function verifyNodes(g: Graph, visible: Set<Value>, uses: Uses, own: (v: Value, what: string) => void): void {
  let count = 0;
  let last: Node | null = null;
  for (let n = g.firstNode; n; n = n.next) {
    // More nodes than the graph counts: the list forms a cycle or continues in another graph's list.
    if (n.graph !== g || ++count > g.nodeCount) fail(`the list of nodes is broken at ${n.label}`);
    if (n.prev !== last) fail(`${n.label} does not follow its predecessor`);
    last = n;
    n.inputs.forEach((v, index) => {
      if (!v) return;
      if (!visible.has(v)) fail(`${n.label} reads ${v.name}, which nothing before it makes`);
      uses.get(v)!.push({ node: n, index });
    });
    for (const sub of n.subgraphs()) verifyGraph(sub, visible, uses);
    n.outputs.forEach((v, index) => {
      if (v.producer !== n || v.index !== index) fail(`${v.name || 'an output'} of ${n.label} has another producer`);
      if (v.isInitializer) fail(`${v.name} is an initializer and an output of ${n.label}`);
      if (v.name) own(v, `an output of ${n.label}`);
      else if (v.isUsed) fail(`an omitted output of ${n.label} is read`);
      else if (needsEveryOutput(n))
        fail(`output ${index} of ${n.label} has no name, and ${n.opType} writes to every one`);
    });
  }
  if (last !== g.lastNode || count !== g.nodeCount) fail('the list of nodes ends early');
}

function verifyData(v: Value): void {
  const t = v.initializer;
  if (!t) {
    if (!v.sparse) fail(`initializer ${v.name} has no tensor`);
    return;
  }
  const want = byteSize(t.dtype, t.dims);
  if (want !== undefined && want !== t.byteLength)
    fail(
      `initializer ${v.name} (${dtypeName(t.dtype)} [${t.dims.join(', ')}]) needs ${want} bytes and has ${t.byteLength}`,
    );
  const shape = v.type?.shape;
  if (shape && (shape.length !== t.dims.length || shape.some((d, i) => typeof d === 'number' && d !== t.dims[i])))
    fail(`initializer ${v.name} is declared as [${shape.join(', ')}] and holds [${t.dims.join(', ')}]`);
}
