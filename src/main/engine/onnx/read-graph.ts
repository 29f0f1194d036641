import { SecateurError } from '../../../shared/contract/errors.ts';
import { DType, Graph, Node, Value, type Attribute } from '../ir/index.ts';
import { orderNodes } from '../ir/order.ts';
import { readAttribute } from './read-attribute.ts';
import { MAX_DEPTH, type ReadContext } from './read-context.ts';
import { readTensor } from './read-tensor.ts';
import { NO_METADATA, addEntry, applyInfo, readValueInfo, type ValueInfo } from './read-value.ts';
import { GRAPH, NODE, SPARSE, TENSOR } from './schema.ts';
import { BYTES, Spans, type WireReader } from './wire-reader.ts';

/** Names of one graph, and the outer values that it (or a graph inside it) reads. */
interface Scope {
  readonly names: Map<string, Value>;
  readonly outer: Scope | null;
  readonly captured: Set<Value>;
}

/** Positions of a graph's parts, as pairs of start and end. */
interface Parts {
  readonly nodes: number[];
  readonly initializers: number[];
  readonly sparse: number[];
  readonly inputs: number[];
  readonly outputs: number[];
  readonly infos: number[];
}

/**
 * Reads the GraphProto in [start, end). Nodes are sorted when the file's order is not valid.
 * @throws 'model-invalid' on duplicate or unknown names and on cycles
 */
export function readGraph(
  r: WireReader,
  start: number,
  end: number,
  ctx: ReadContext,
  outer: Scope | null = null,
  depth = 0,
): Graph {
  if (depth > MAX_DEPTH) r.invalid(`subgraphs are nested deeper than ${MAX_DEPTH}`);
  const graph = new Graph();
  const parts = locate(r.at(start, end), graph, ctx);
  const scope: Scope = { names: new Map(), outer, captured: new Set() };
  const define = (v: Value, what: string): Value => {
    if (scope.names.has(v.name)) r.invalid(`two values are named ${v.name} (the second is ${what})`);
    scope.names.set(v.name, v);
    v.graph = graph;
    return v;
  };

  each(r, parts.inputs, (at) => {
    const info = readValueInfo(at, ctx);
    const v = define(new Value(info.name), 'a graph input');
    applyInfo(v, info);
    graph.inputs.push(v);
  });
  each(r, parts.initializers, (at) => {
    const tensor = readTensor(at, ctx);
    const v = initializerValue(r, graph, scope, tensor.name, define);
    v.initializer = tensor;
    v.type ??= { elemType: tensor.dtype, shape: [...tensor.dims] };
    v.docString ||= tensor.docString;
  });
  each(r, parts.sparse, (at) => {
    const encoded = at.slice(at.pos, at.end);
    const v = initializerValue(r, graph, scope, sparseName(at, ctx), define);
    v.sparse = encoded;
  });
  readNodes(r, parts, graph, scope, ctx, define, depth);

  each(r, parts.infos, (at) => {
    const info = readValueInfo(at, ctx);
    const v = scope.names.get(info.name);
    // An entry for an initializer repeats the tensor's own shape, and an entry without a value is meaningless.
    if (v?.producer) applyInfo(v, info);
  });
  each(r, parts.outputs, (at) => {
    const info = readValueInfo(at, ctx);
    const v = lookUp(scope, info.name) ?? r.invalid(`nothing makes the graph output ${info.name}`);
    if (v.producer?.graph === graph || v.type === null) mergeInfo(v, info);
    graph.outputs.push(v);
  });
  return graph;
}

function locate(r: WireReader, graph: Graph, ctx: ReadContext): Parts {
  const parts: Parts = { nodes: [], initializers: [], sparse: [], inputs: [], outputs: [], infos: [] };
  const unknown = new Spans();
  let metadata: Map<string, string> | null = null;
  const lists: Record<number, number[]> = {
    [GRAPH.node]: parts.nodes,
    [GRAPH.initializer]: parts.initializers,
    [GRAPH.sparseInitializer]: parts.sparse,
    [GRAPH.input]: parts.inputs,
    [GRAPH.output]: parts.outputs,
    [GRAPH.valueInfo]: parts.infos,
  };
  while (r.next()) {
    const list = lists[r.field];
    if (r.wire !== BYTES) unknown.keep(r);
    else if (list) {
      const n = r.length();
      list.push(r.pos, r.pos + n);
      r.pos += n;
      ctx.spend(1);
    } else if (r.field === GRAPH.name) graph.name = r.text();
    else if (r.field === GRAPH.docString) graph.docString = r.text();
    else if (r.field === GRAPH.metadata) metadata = addEntry(r, metadata, ctx);
    else unknown.keep(r);
  }
  graph.metadata = metadata ?? NO_METADATA;
  graph.unknown = unknown.take(r);
  return parts;
}

/**
 * An initializer may share its name with a graph input (required before IR version 4); both are then the same Value.
 */
function initializerValue(
  r: WireReader,
  graph: Graph,
  scope: Scope,
  name: string,
  define: (v: Value, what: string) => Value,
): Value {
  if (!name) r.invalid('an initializer has no name');
  const input = scope.names.get(name);
  if (input?.isInitializer) r.invalid(`two initializers are named ${name}`);
  const v = input ?? define(new Value(name), 'an initializer');
  graph.initializers.add(v);
  return v;
}

function sparseName(r: WireReader, ctx: ReadContext): string {
  let name = '';
  while (r.next()) {
    if (!r.is(SPARSE.values, BYTES)) {
      r.skip();
      continue;
    }
    const outer = r.enter();
    while (r.next()) {
      if (r.is(TENSOR.name, BYTES)) name = r.string();
      else r.skip();
    }
    r.leave(outer);
  }
  ctx.spend(4);
  return name;
}

interface NodeParts {
  readonly opType: string;
  readonly domain: string;
  readonly overload: string;
  readonly name: string;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknown: Uint8Array | null;
  readonly inputs: readonly string[];
  readonly outputs: readonly Value[];
  readonly attributes: readonly number[];
}

function readNodes(
  r: WireReader,
  parts: Parts,
  graph: Graph,
  scope: Scope,
  ctx: ReadContext,
  define: (v: Value, what: string) => Value,
  depth: number,
): void {
  const heads: NodeParts[] = [];
  each(r, parts.nodes, (at) => heads.push(readNodeHead(at, ctx, define)));
  const nodes: Node[] = [];
  const reads = new Map<Node, ReadonlySet<Value>>();
  for (const h of heads) {
    const inner: Scope = { names: new Map(), outer: scope, captured: new Set() };
    const attributes = new Map<string, Attribute>();
    each(r, h.attributes, (at) => {
      const [name, a] = readAttribute(at, ctx, (s, e) => readGraph(r, s, e, ctx, inner, depth + 1));
      if (attributes.has(name)) r.invalid(`node ${h.name || h.opType} has two attributes named ${name}`);
      attributes.set(name, a);
    });
    const inputs = h.inputs.map((name) =>
      name === ''
        ? null
        : (lookUp(scope, name) ?? r.invalid(`${h.name || h.opType} reads ${name}, which nothing makes`)),
    );
    const node = new Node(h.opType, inputs, h.outputs, { domain: h.domain, name: h.name, attributes });
    node.overload = h.overload;
    node.docString = h.docString;
    node.metadata = h.metadata;
    node.unknown = h.unknown;
    if (inner.captured.size) reads.set(node, inner.captured);
    nodes.push(node);
  }
  const ordered = orderNodes(nodes, (n) => reads.get(n));
  if (!ordered) throw new SecateurError('model-invalid', { path: r.path, reason: 'its nodes form a cycle' });
  for (const n of ordered) graph.append(n);
}

function readNodeHead(r: WireReader, ctx: ReadContext, define: (v: Value, what: string) => Value): NodeParts {
  let opType = '',
    domain = '',
    overload = '',
    name = '',
    docString = '';
  let metadata: Map<string, string> | null = null;
  const inputs: string[] = [],
    outputs: string[] = [],
    attributes: number[] = [];
  const unknown = new Spans();
  ctx.spend(6);
  while (r.next()) {
    if (r.wire !== BYTES) {
      unknown.keep(r);
      continue;
    }
    switch (r.field) {
      case NODE.input:
        ctx.spend(1);
        inputs.push(r.string());
        break;
      case NODE.output:
        ctx.spend(4);
        outputs.push(r.string());
        break;
      case NODE.name:
        name = r.text();
        break;
      case NODE.opType:
        opType = r.string();
        break;
      case NODE.domain:
        domain = r.string();
        break;
      case NODE.overload:
        overload = r.string();
        break;
      case NODE.docString:
        docString = r.text();
        break;
      case NODE.metadata:
        metadata = addEntry(r, metadata, ctx);
        break;
      case NODE.attribute: {
        const n = r.length();
        attributes.push(r.pos, r.pos + n);
        r.pos += n;
        break;
      }
      default:
        unknown.keep(r);
    }
  }
  if (!opType) r.invalid(`node ${name || outputs[0] || ''} has no operator type`);
  return {
    opType,
    domain,
    overload,
    name,
    docString,
    metadata: metadata ?? NO_METADATA,
    unknown: unknown.take(r),
    inputs,
    outputs: outputs.map((o) => (o === '' ? new Value('') : define(new Value(o), `an output of ${name || opType}`))),
    attributes,
  };
}

/** Finds a name here or in an outer graph. Every graph on the way records that it reads the value. */
function lookUp(scope: Scope, name: string): Value | undefined {
  for (let s: Scope | null = scope; s; s = s.outer) {
    const v = s.names.get(name);
    if (!v) continue;
    for (let t: Scope = scope; t !== s; t = t.outer!) t.captured.add(v);
    return v;
  }
  return undefined;
}

/**
 * A graph output may also be listed in value_info. The output's own declaration has precedence where it is not empty.
 */
function mergeInfo(v: Value, info: ValueInfo): void {
  const t = info.type;
  if (t && (t.shape || t.raw || t.elemType !== DType.UNDEFINED || !v.type)) v.type = t;
  v.docString = info.docString || v.docString;
  if (info.metadata.size) v.metadata = info.metadata;
  v.unknown = info.unknown ?? v.unknown;
}

function each(r: WireReader, ranges: readonly number[], use: (at: WireReader) => void): void {
  const at = r.at(0, 0);
  for (let i = 0; i < ranges.length; i += 2) {
    at.pos = ranges[i]!;
    at.end = ranges[i + 1]!;
    use(at);
  }
}
