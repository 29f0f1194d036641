import { SecateurError } from '../../../shared/contract/errors.ts';
import type { Model } from '../ir/index.ts';
import { ExternalLayout, type ExternalOptions } from './external-layout.ts';
import { MODEL, OPSET } from './schema.ts';
import { WireWriter } from './wire-writer.ts';
import { writeEntries, writeGraph } from './write-graph.ts';

/** Protobuf messages must be smaller than 2 GiB. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

export interface WriteOptions {
  /** Puts large initializers into a data file. A model above 2 GiB always does so. */
  readonly externalData?: ExternalOptions;
}

/**
 * A model ready to be written. Pieces are generated one after another, so memory use stays flat. Do not run two
 * iterations of the same sequence at once.
 */
export interface WritePlan {
  readonly model: Iterable<Uint8Array>;
  readonly modelBytes: number;
  readonly data?: Iterable<Uint8Array>;
  readonly dataBytes: number;
  /** File name of the data, as referenced by the model. */
  readonly location?: string;
}

const DEFAULT_EXTERNAL: ExternalOptions = { location: 'model.onnx.data', thresholdBytes: 1024 };

/**
 * Plans the bytes of a model file and, where requested or required, its data file.
 * @throws 'model-over-2gib'
 */
export function writeModelChunks(model: Model, options: WriteOptions = {}): WritePlan {
  let layout = options.externalData ? new ExternalLayout(options.externalData) : null;
  let w = encode(model, layout);
  if (w.size > MAX_FILE_BYTES && !layout) {
    layout = new ExternalLayout(DEFAULT_EXTERNAL);
    w = encode(model, layout);
  }
  if (w.size > MAX_FILE_BYTES) throw new SecateurError('model-over-2gib', { bytes: w.size });
  const base = { model: w.chunks(), modelBytes: w.size };
  if (!layout?.size) return { ...base, dataBytes: 0 };
  return { ...base, data: layout.chunks(), dataBytes: layout.size, location: layout.options.location };
}

/**
 * The whole model as the bytes of one file, with external data embedded.
 * @throws 'model-over-2gib'
 */
export function serializeModel(model: Model): Uint8Array {
  const w = encode(model, null);
  if (w.size > MAX_FILE_BYTES) throw new SecateurError('model-over-2gib', { bytes: w.size });
  const out = new Uint8Array(w.size);
  let at = 0;
  for (const c of w.chunks()) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}

function encode(model: Model, layout: ExternalLayout | null): WireWriter {
  const w = new WireWriter();
  if (model.irVersion) w.varintField(MODEL.irVersion, model.irVersion);
  w.optionalString(MODEL.producerName, model.producerName);
  w.optionalString(MODEL.producerVersion, model.producerVersion);
  w.optionalString(MODEL.domain, model.domain);
  if (model.modelVersion) w.varintField(MODEL.modelVersion, model.modelVersion);
  w.optionalString(MODEL.docString, model.docString);
  w.messageField(MODEL.graph, (g) => writeGraph(g, model.graph, layout));
  for (const [domain, version] of model.opsets)
    w.messageField(MODEL.opsetImport, (o) => {
      o.optionalString(OPSET.domain, domain);
      o.varintField(OPSET.version, version);
    });
  writeEntries(w, MODEL.metadata, model.metadata);
  for (const f of model.functions) w.bytesField(MODEL.functions, f.encoded);
  if (model.unknown) w.raw(model.unknown);
  return w;
}
