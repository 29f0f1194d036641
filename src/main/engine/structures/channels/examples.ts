import { int } from '../../ir/attribute.ts';
import { ExampleNet, type KindExample } from '../example.ts';

export const examples: readonly KindExample[] = [
  {
    name: 'a chain of convolutions',
    units: [6, 5],
    build: () => {
      const n = new ExampleNet();
      return n.model(n.classes(n.b.relu(n.conv(n.b.relu(n.conv(n.input(2, 3, 5, 5), 3, 6)), 6, 5)), 5));
    },
  },
  {
    name: 'a concatenation',
    units: [4, 3],
    build: () => {
      const n = new ExampleNet();
      const x = n.input(2, 3, 5, 5);
      const joined = n.b.op('Concat', [n.conv(x, 3, 4), n.conv(x, 3, 3)], { axis: int(1) });
      return n.model(n.classes(n.b.relu(joined), 7));
    },
  },
  {
    name: 'hidden units beside a residual stream',
    units: [6, 8],
    build: () => {
      const n = new ExampleNet();
      const x = n.linear(n.input(2, 4, 5), 5, 6);
      const y = n.b.add(x, n.linear(n.b.relu(n.linear(x, 6, 8)), 8, 6));
      return n.model(n.linear(y, 6, 3));
    },
  },
];
