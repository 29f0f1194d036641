/** Models with local functions, as stored in files. */
import type { Model } from '../../src/main/engine/ir/model.ts';
import { WireWriter } from '../../src/main/engine/onnx/wire-writer.ts';

/** One node of a function body: values by name, '' for an omitted input. */
export interface Call {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly output: string;
}

/** Adds `own::name(v) -> w` to a model. `body` names its values; its last node makes `w`. */
export function addFunction(model: Model, name: string, body: readonly Call[]): void {
  // FunctionProto: name 1, input 4, output 5, node 7, operator sets 9, domain 10.
  const w = new WireWriter();
  w.stringField(1, name);
  w.stringField(4, 'v');
  w.stringField(5, 'w');
  for (const c of body)
    w.messageField(7, (n) => {
      for (const i of c.inputs) n.stringField(1, i);
      n.stringField(2, c.output);
      n.stringField(4, c.op);
      n.optionalString(7, c.domain ?? '');
    });
  for (const [domain, version] of [
    ['', 17],
    ['own', 1],
  ] as const)
    // prettier-ignore
    w.messageField(9, (s) => {
      s.stringField(1, domain);
      s.varintField(2, version);
    });
  w.stringField(10, 'own');
  model.functions.push({ domain: 'own', name, overload: '', encoded: Uint8Array.from(Buffer.concat([...w.chunks()])) });
  model.opsets.set('own', 1);
}
