import { elementCount, isFloat } from '../ir/dtype.ts';
import { givenOut } from '../ir/reads.ts';
import type { Pass } from './pass.ts';

/**
 * Gives every reader of a shared float vector (one axis longer than 1) a separate initializer. Exporters merge equal
 * constants, so unrelated layers read the same zero bias or unit scale, and pruning would have to treat all of them
 * alike. Shared matrices stay, because they are shared on purpose. The data is shared in memory and written once per
 * reader.
 */
export const untieVectors: Pass = {
  name: 'untie-vectors',
  run(model) {
    const { graph } = model;
    const given = givenOut(graph);
    const inputs = new Set(graph.inputs);
    let modified = false;
    for (const v of [...graph.initializers]) {
      const t = v.initializer;
      if (!t || !isFloat(t.dtype) || inputs.has(v) || given.has(v)) continue;
      if (elementCount(t.dims) < 2 || t.dims.filter((n) => n !== 1).length > 1) continue;
      for (const { node, index } of v.uses().slice(1)) {
        if (node.graph !== graph) continue;
        node.setInput(index, graph.addInitializer(graph.freshName(v.name), t));
        modified = true;
      }
    }
    return { model, modified };
  },
};
