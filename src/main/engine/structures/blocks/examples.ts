import type { Value } from '../../ir/value.ts';
import { ExampleNet, type KindExample } from '../example.ts';

export const examples: readonly KindExample[] = [
  {
    name: 'two residual branches, one behind the other',
    units: [1, 1],
    build: () => {
      const n = new ExampleNet();
      const branch = (x: Value): Value => n.conv(n.b.relu(n.conv(x, 4, 5)), 5, 4);
      const first = n.b.relu(n.conv(n.input(2, 3, 5, 5), 3, 4));
      const second = n.b.relu(n.b.add(branch(first), first));
      return n.model(n.classes(n.b.relu(n.b.add(branch(second), second)), 4));
    },
  },
  {
    name: 'a branch inside a branch',
    units: [1, 1],
    build: () => {
      const n = new ExampleNet();
      const x = n.linear(n.input(2, 4, 5), 5, 6);
      const inner = n.b.relu(n.linear(x, 6, 6));
      const outer = n.linear(n.b.add(n.linear(n.b.relu(n.linear(inner, 6, 8)), 8, 6), inner), 6, 6);
      return n.model(n.linear(n.b.add(outer, x), 6, 3));
    },
  },
];
