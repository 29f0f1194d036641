import { DType, type Tensor } from '../ir/index.ts';
import { EncodedTensor, isMissing } from './encoded-tensor.ts';
import type { ExternalLayout } from './external-layout.ts';
import { ENTRY, TENSOR } from './schema.ts';
import type { WireWriter } from './wire-writer.ts';

/**
 * Writes the fields of a TensorProto. Data from float_data and similar fields is written as it was encoded. Raw and
 * external data is written raw, or to the data file when `layout` accepts it.
 */
export function writeTensor(
  w: WireWriter,
  t: Tensor,
  names: { readonly name: string; readonly docString: string },
  layout: ExternalLayout | null,
): void {
  for (const d of t.dims) w.varintField(TENSOR.dims, d);
  w.varintField(TENSOR.dataType, t.dtype);
  w.optionalString(TENSOR.name, names.name);
  w.optionalString(TENSOR.docString, names.docString);
  const encoded = t instanceof EncodedTensor ? t : null;
  if (encoded?.extra) w.raw(encoded.extra);
  if (isMissing(t)) return;
  const placement = layout?.place(t);
  if (placement) {
    const entries = { location: placement.location, offset: `${placement.offset}`, length: `${placement.length}` };
    for (const [key, value] of Object.entries(entries))
      w.messageField(TENSOR.externalData, (e) => {
        e.stringField(ENTRY.key, key);
        e.stringField(ENTRY.value, value);
      });
    w.varintField(TENSOR.dataLocation, 1);
  } else if (encoded?.data.kind === 'typed') {
    const { source, ranges } = encoded.data;
    for (let i = 0; i < ranges.length; i += 2) {
      const start = ranges[i]!,
        byteLength = ranges[i + 1]! - start;
      w.data({ byteLength, chunks: () => [source.read(start, byteLength)] });
    }
  } else if (t.dtype === DType.STRING) {
    for (const s of t.strings ?? []) w.bytesField(TENSOR.stringData, s);
  } else {
    w.dataField(TENSOR.rawData, t);
  }
}
