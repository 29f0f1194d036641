import { elementCount } from '../ir/dtype.ts';
import { unsupported, type OperatorDef } from './contract.ts';
import { w, x } from './support/elementwise.ts';

/** x [N,C,...spatial] sampled at grid [N,...out,rank]: channels pass through; the grid addresses spatial positions. */
export const operator: OperatorDef = {
  opType: 'GridSample',
  shape: (ctx) => {
    const [input, grid] = [ctx.in(0)!, ctx.in(1)!];
    return [[input[0]!, input[1]!, ...grid.slice(1, -1)]];
  },
  macs: (ctx) => elementCount(ctx.out(0)) * 2 ** (ctx.in(0)!.length - 2),
  prune: {
    relate(ctx) {
      const [value, grid, y] = [ctx.node.input(0)!, ctx.node.input(1)!, ctx.node.output()];
      ctx.same({ value, axis: 0 }, { value: y, axis: 0 });
      ctx.same({ value: grid, axis: 0 }, { value: y, axis: 0 });
      ctx.same({ value, axis: 1 }, { value: y, axis: 1 });
      ctx
        .shape(grid)
        .slice(1, -1)
        .forEach((_, i) => ctx.same({ value: grid, axis: i + 1 }, { value: y, axis: i + 2 }));
    },
  },
  grad: unsupported('where it samples depends on data'),
  examples: [
    { name: 'bilinear', inputs: [x([2, 3, 4, 5]), x([2, 2, 3, 2])] },
    { name: 'constant picture', inputs: [w([1, 4, 3, 3]), x([1, 2, 2, 2])] },
  ],
};
