import { SecateurError } from '../../../shared/contract/errors.ts';
import { shareNames } from '../ir/graph.ts';
import { Model, type FunctionDef } from '../ir/index.ts';
import { ReadContext } from './read-context.ts';
import { readGraph } from './read-graph.ts';
import { addEntry } from './read-value.ts';
import { FUNCTION, MODEL, OPSET } from './schema.ts';
import { MemorySource, type ByteSource, type DataResolver } from './source.ts';
import { BYTES, Spans, VARINT, WireReader } from './wire-reader.ts';

export interface ReadOptions {
  /** Finds external data files. Without it, such tensors are present but throw when their data is requested. */
  readonly resolve?: DataResolver;
  /** Path for error messages. */
  readonly path?: string;
}

/**
 * Reads an ONNX model of any IR version. The structure is read at once, tensor data on demand, so the source must stay
 * readable while the model is in use. Models above 2 GiB in one file are supported.
 * @throws 'model-not-protobuf', 'model-truncated', 'model-invalid', 'model-too-large', 'external-data-*'
 */
export function readModel(source: ByteSource | Uint8Array, options: ReadOptions = {}): Model {
  const from = source instanceof Uint8Array ? new MemorySource(source) : source;
  const r = new WireReader(from, options.path);
  if (from.size === 0) r.bad('it is empty');
  const ctx = new ReadContext(options.resolve);
  const head = readHead(r, ctx);
  if (!head.graph) return r.bad('it holds no graph');
  const graph = readGraph(r, head.graph.start, head.graph.end, ctx);
  shareNames(graph);
  const model = new Model(graph);
  Object.assign(model, head.fields);
  for (const [d, v] of head.opsets) model.opsets.set(d, v);
  for (const [k, v] of head.metadata) model.metadata.set(k, v);
  model.functions.push(...head.functions);
  model.unknown = head.unknown;
  return model;
}

const TEXT_FIELDS: Record<number, 'producerName' | 'producerVersion' | 'domain' | 'docString'> = {
  [MODEL.producerName]: 'producerName',
  [MODEL.producerVersion]: 'producerVersion',
  [MODEL.domain]: 'domain',
  [MODEL.docString]: 'docString',
};

function readHead(r: WireReader, ctx: ReadContext) {
  const fields = {
    irVersion: 0,
    modelVersion: 0n,
    producerName: '',
    producerVersion: '',
    domain: '',
    docString: '',
  };
  const opsets = new Map<string, number>();
  const metadata = new Map<string, string>();
  const functions: FunctionDef[] = [];
  const unknown = new Spans();
  let graph: { start: number; end: number } | null = null;
  let known = false;
  try {
    while (r.next()) {
      const text = TEXT_FIELDS[r.field];
      if (r.is(MODEL.irVersion, VARINT)) fields.irVersion = r.int64AsNumber();
      else if (r.is(MODEL.modelVersion, VARINT)) fields.modelVersion = r.int64();
      else if (r.wire !== BYTES) unknown.keep(r);
      else if (text) fields[text] = r.text();
      else if (r.field === MODEL.graph) {
        const n = r.length();
        if (graph) r.invalid('it holds two graphs');
        graph = { start: r.pos, end: r.pos + n };
        r.pos += n;
      } else if (r.field === MODEL.opsetImport) {
        const outer = r.enter();
        const [domain, version] = readOpset(r);
        ctx.spend(2);
        opsets.set(domain, Math.max(version, opsets.get(domain) ?? 0));
        r.leave(outer);
      } else if (r.field === MODEL.metadata) addEntry(r, metadata, ctx);
      else if (r.field === MODEL.functions) {
        const n = r.length();
        ctx.spend(4);
        functions.push(readFunction(r.at(r.pos, r.pos + n)));
        r.pos += n;
      } else {
        unknown.keep(r);
        continue;
      }
      known = true;
    }
  } catch (e) {
    // Other file types rarely parse up to a known field, so report the file type rather than the position.
    if (e instanceof SecateurError && !known)
      throw new SecateurError('model-not-protobuf', { path: r.path, reason: 'the header is missing' }, { cause: e });
    throw e;
  }
  return { fields, opsets, metadata, functions, graph, unknown: unknown.take(r) };
}

function readOpset(r: WireReader): [string, number] {
  let domain = '',
    version = 0;
  while (r.next()) {
    if (r.is(OPSET.domain, BYTES)) domain = r.string();
    else if (r.is(OPSET.version, VARINT)) version = r.int64AsNumber();
    else r.skip();
  }
  return [domain === 'ai.onnx' ? '' : domain, version];
}

function readFunction(r: WireReader): FunctionDef {
  const encoded = r.slice(r.pos, r.end);
  let domain = '',
    name = '',
    overload = '';
  while (r.next()) {
    if (r.is(FUNCTION.domain, BYTES)) domain = r.string();
    else if (r.is(FUNCTION.name, BYTES)) name = r.string();
    else if (r.is(FUNCTION.overload, BYTES)) overload = r.string();
    else r.skip();
  }
  return { domain, name, overload, encoded };
}
