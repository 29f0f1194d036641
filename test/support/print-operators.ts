// Started by test/checks/scripts.test.ts through scripts/run.mjs: prints the number of operators in
// the registry, and its arguments.
import { allOperators } from '../../src/main/engine/ops/registry.ts';

export default async function main(args: string[]): Promise<void> {
  // Modules can still be loaded after the first import.
  const { SHAPES } = await import('../../src/main/engine/sample/shapes.ts');
  console.log(JSON.stringify({ operators: [...allOperators()].length, shapes: SHAPES.length, args }));
}
