import type { Attribute, Dim, Graph, Node, Value, ValueType } from '../ir/index.ts';
import { EncodedTensor } from './encoded-tensor.ts';
import type { ExternalLayout } from './external-layout.ts';
import { ATTRIBUTE, ATTRIBUTE_TYPE, DIM, ENTRY, GRAPH, NODE, SHAPE, TENSOR_TYPE, TYPE, VALUE_INFO } from './schema.ts';
import { writeTensor } from './write-tensor.ts';
import type { WireWriter } from './wire-writer.ts';

/** Writes the fields of a GraphProto, subgraphs included. */
export function writeGraph(w: WireWriter, graph: Graph, layout: ExternalLayout | null): void {
  for (const n of graph.nodes()) w.messageField(GRAPH.node, (m) => writeNode(m, n, layout));
  w.optionalString(GRAPH.name, graph.name);
  const inputs = new Set(graph.inputs);
  for (const v of graph.initializers) {
    if (v.sparse) w.bytesField(GRAPH.sparseInitializer, v.sparse);
    const t = v.initializer;
    if (!t) continue;
    // The documentation of an initializer that is also an input is in the input's own entry.
    const own = t instanceof EncodedTensor ? t.docString : '';
    const docString = inputs.has(v) ? own : v.docString;
    w.messageField(GRAPH.initializer, (m) => writeTensor(m, t, { name: v.name, docString }, layout));
  }
  w.optionalString(GRAPH.docString, graph.docString);
  for (const v of graph.inputs) w.messageField(GRAPH.input, (m) => writeValueInfo(m, v));
  for (const v of graph.outputs) w.messageField(GRAPH.output, (m) => writeValueInfo(m, v));
  const outputs = new Set(graph.outputs);
  for (const n of graph.nodes())
    for (const v of n.outputs)
      if (v.name && !outputs.has(v) && saysSomething(v)) w.messageField(GRAPH.valueInfo, (m) => writeValueInfo(m, v));
  writeEntries(w, GRAPH.metadata, graph.metadata);
  if (graph.unknown) w.raw(graph.unknown);
}

export function writeEntries(w: WireWriter, field: number, entries: ReadonlyMap<string, string>): void {
  for (const [key, value] of entries)
    w.messageField(field, (m) => {
      m.stringField(ENTRY.key, key);
      m.stringField(ENTRY.value, value);
    });
}

const saysSomething = (v: Value): boolean =>
  v.type !== null || v.docString !== '' || v.metadata.size > 0 || v.unknown !== null;

function writeValueInfo(w: WireWriter, v: Value): void {
  w.stringField(VALUE_INFO.name, v.name);
  const { type } = v;
  if (type?.raw) w.bytesField(VALUE_INFO.type, type.raw);
  else if (type) w.messageField(VALUE_INFO.type, (m) => writeType(m, type));
  w.optionalString(VALUE_INFO.docString, v.docString);
  writeEntries(w, VALUE_INFO.metadata, v.metadata);
  if (v.unknown) w.raw(v.unknown);
}

function writeType(w: WireWriter, type: ValueType): void {
  w.messageField(TYPE.tensor, (t) => {
    t.varintField(TENSOR_TYPE.elemType, type.elemType);
    const { shape } = type;
    if (shape)
      t.messageField(TENSOR_TYPE.shape, (s) => {
        for (const d of shape) s.messageField(SHAPE.dim, (m) => writeDim(m, d));
      });
  });
}

function writeDim(w: WireWriter, d: Dim): void {
  if (typeof d === 'number') w.varintField(DIM.value, d);
  else if (d !== null) w.stringField(DIM.param, d);
}

function writeNode(w: WireWriter, n: Node, layout: ExternalLayout | null): void {
  for (const v of n.inputs) w.stringField(NODE.input, v?.name ?? '');
  for (const v of n.outputs) w.stringField(NODE.output, v.name);
  w.optionalString(NODE.name, n.name);
  w.stringField(NODE.opType, n.opType);
  for (const [name, a] of n.attributes) {
    if (a.kind === 'raw') w.bytesField(NODE.attribute, a.value);
    else w.messageField(NODE.attribute, (m) => writeAttribute(m, name, a, layout));
  }
  w.optionalString(NODE.docString, n.docString);
  w.optionalString(NODE.domain, n.domain);
  w.optionalString(NODE.overload, n.overload);
  writeEntries(w, NODE.metadata, n.metadata);
  if (n.unknown) w.raw(n.unknown);
}

function writeAttribute(
  w: WireWriter,
  name: string,
  a: Exclude<Attribute, { kind: 'raw' }>,
  layout: ExternalLayout | null,
): void {
  w.stringField(ATTRIBUTE.name, name);
  switch (a.kind) {
    case 'float':
      w.floatField(ATTRIBUTE.f, a.value);
      break;
    case 'int':
      w.varintField(ATTRIBUTE.i, a.value);
      break;
    case 'string':
      w.bytesField(ATTRIBUTE.s, a.value);
      break;
    case 'tensor':
      w.messageField(ATTRIBUTE.t, (m) => writeTensor(m, a.value, ownNames(a.value), null));
      break;
    case 'graph':
      w.messageField(ATTRIBUTE.g, (m) => writeGraph(m, a.value, layout));
      break;
    case 'floats':
      // onnx.proto declares these unpacked, and some readers accept nothing else.
      for (const x of a.value) w.floatField(ATTRIBUTE.floats, x);
      break;
    case 'ints':
      for (const x of a.value) w.varintField(ATTRIBUTE.ints, x);
      break;
    case 'strings':
      for (const s of a.value) w.bytesField(ATTRIBUTE.strings, s);
      break;
    case 'tensors':
      for (const t of a.value) w.messageField(ATTRIBUTE.tensors, (m) => writeTensor(m, t, ownNames(t), null));
      break;
    case 'graphs':
      for (const g of a.value) w.messageField(ATTRIBUTE.graphs, (m) => writeGraph(m, g, layout));
      break;
    case 'ref':
      w.stringField(ATTRIBUTE.refName, a.value);
      break;
  }
  const type = a.kind === 'ref' ? a.type : ATTRIBUTE_TYPE[a.kind];
  if (type) w.varintField(ATTRIBUTE.type, type);
  if (a.extra) w.raw(a.extra);
}

const ownNames = (t: unknown): { name: string; docString: string } =>
  t instanceof EncodedTensor ? t : { name: '', docString: '' };
