// Deliberately wrong: the linter must refuse this file. See test/checks/types.test.ts.
export function start(): void {
  Promise.reject(new Error('lost'));
  if (1 == (2 as number)) throw 'text';
}
