import type { Attribute, Graph } from '../ir/index.ts';
import type { ReadContext } from './read-context.ts';
import { readTensor } from './read-tensor.ts';
import { ATTRIBUTE, ATTRIBUTE_TYPE } from './schema.ts';
import { BYTES, FIXED32, Spans, VARINT, type WireReader } from './wire-reader.ts';
import type { EncodedTensor } from './encoded-tensor.ts';

/** Subgraphs are read once the names of the enclosing graph are known. */
export type GraphReader = (start: number, end: number) => Graph;

type Kind = keyof typeof ATTRIBUTE_TYPE;
const KIND_OF = new Map<number, Kind>(Object.entries(ATTRIBUTE_TYPE).map(([k, t]) => [t, k as Kind]));
const FIELD_OF: Record<Kind, number> = {
  float: ATTRIBUTE.f,
  int: ATTRIBUTE.i,
  string: ATTRIBUTE.s,
  tensor: ATTRIBUTE.t,
  graph: ATTRIBUTE.g,
  floats: ATTRIBUTE.floats,
  ints: ATTRIBUTE.ints,
  strings: ATTRIBUTE.strings,
  tensors: ATTRIBUTE.tensors,
  graphs: ATTRIBUTE.graphs,
};
const KIND_BY_FIELD = new Map<number, Kind>(Object.entries(FIELD_OF).map(([k, f]) => [f, k as Kind]));

/** Reads an AttributeProto in [start, end). Unknown kinds are returned raw, as a whole. */
export function readAttribute(r: WireReader, ctx: ReadContext, readGraph: GraphReader): [string, Attribute] {
  const start = r.pos,
    end = r.end;
  const head = readHead(r, ctx);
  const raw = (): [string, Attribute] => [head.name, { kind: 'raw', value: r.slice(start, end) }];
  if (head.refName) {
    r.pos = start;
    const extra = new Spans();
    const ours: number[] = [ATTRIBUTE.name, ATTRIBUTE.refName, ATTRIBUTE.type];
    while (r.next()) {
      if (ours.includes(r.field)) r.skip();
      else extra.keep(r);
    }
    return [head.name, withExtra({ kind: 'ref', value: head.refName, type: head.type }, extra.take(r))];
  }
  // IR version 1 had no type field, so the field that is present decides.
  const kind = head.type ? KIND_OF.get(head.type) : head.guess;
  if (!kind) return raw();

  r.pos = start;
  const field = FIELD_OF[kind];
  const extra = new Spans();
  let float = 0,
    int = 0n;
  let string = new Uint8Array(0);
  const tensors: EncodedTensor[] = [],
    graphs: Graph[] = [],
    strings: Uint8Array[] = [],
    floats: number[] = [],
    ints: bigint[] = [];
  while (r.next()) {
    if (r.field === ATTRIBUTE.name || r.field === ATTRIBUTE.type) r.skip();
    else if (r.field !== field) extra.keep(r);
    else if (r.wire === BYTES && (kind === 'tensor' || kind === 'tensors')) {
      const outer = r.enter();
      tensors.push(readTensor(r, ctx));
      r.leave(outer);
    } else if (r.wire === BYTES && (kind === 'graph' || kind === 'graphs')) {
      const n = r.length();
      graphs.push(readGraph(r.pos, r.pos + n));
      r.pos += n;
    } else if (r.wire === BYTES && kind === 'string') string = new Uint8Array(r.bytes());
    else if (r.wire === BYTES && kind === 'strings') {
      ctx.spend(2);
      strings.push(r.bytes());
    } else if (r.wire === FIXED32 && kind === 'float') float = r.float();
    else if (r.wire === VARINT && kind === 'int') int = r.int64();
    else if (kind === 'floats' && (r.wire === BYTES || r.wire === FIXED32)) {
      list(r, () => floats.push(r.float()));
    } else if (kind === 'ints' && (r.wire === BYTES || r.wire === VARINT)) {
      list(r, () => ints.push(r.int64()));
    } else extra.keep(r);
  }
  ctx.spend(Math.ceil((floats.length + 3 * ints.length) / 12));
  const rest = extra.take(r);
  switch (kind) {
    case 'float':
      return [head.name, withExtra({ kind, value: float }, rest)];
    case 'int':
      return [head.name, withExtra({ kind, value: int }, rest)];
    case 'string':
      return [head.name, withExtra({ kind, value: string }, rest)];
    case 'tensor':
      if (tensors.length > 1) r.invalid(`attribute ${head.name} holds two tensors`);
      return tensors[0] ? [head.name, withExtra({ kind, value: tensors[0] }, rest)] : raw();
    case 'graph':
      if (graphs.length > 1) r.invalid(`attribute ${head.name} holds two graphs`);
      return graphs[0] ? [head.name, withExtra({ kind, value: graphs[0] }, rest)] : raw();
    case 'floats':
      return [head.name, withExtra({ kind, value: floats }, rest)];
    case 'ints':
      return [head.name, withExtra({ kind, value: ints }, rest)];
    case 'strings':
      return [head.name, withExtra({ kind, value: strings }, rest)];
    case 'tensors':
      return [head.name, withExtra({ kind, value: tensors }, rest)];
    case 'graphs':
      return [head.name, withExtra({ kind, value: graphs }, rest)];
  }
}

function readHead(
  r: WireReader,
  ctx: ReadContext,
): { name: string; type: number; refName: string; guess: Kind | undefined } {
  let name = '',
    type = 0,
    refName = '';
  let guess: Kind | undefined;
  ctx.spend(2);
  while (r.next()) {
    if (r.is(ATTRIBUTE.name, BYTES)) name = r.string();
    else if (r.is(ATTRIBUTE.type, VARINT)) type = r.int32();
    else if (r.is(ATTRIBUTE.refName, BYTES)) refName = r.string();
    else {
      guess ??= KIND_BY_FIELD.get(r.field);
      r.skip();
    }
  }
  return { name, type, refName, guess };
}

function list(r: WireReader, one: () => void): void {
  if (r.wire !== BYTES) return one();
  const outer = r.enter();
  while (r.pos < r.end) one();
  r.leave(outer);
}

const withExtra = (a: Attribute, extra: Uint8Array | null): Attribute => (extra ? { ...a, extra } : a);
