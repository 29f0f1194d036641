// Deliberately wrong: the type check must refuse each of these lines. See test/checks/types.test.ts.
export const strict: number = 'text';
export const node = process.cwd();
export const dom = document.title;
export const buffer = Buffer.alloc(1);
export const maybe = (x: { a?: number }): number => x.a;
