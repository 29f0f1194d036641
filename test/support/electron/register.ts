// node --import ./test/support/electron/register.ts out/main/index.js: makes `electron` resolve to
// the stand-in beside this file.
import { registerHooks } from 'node:module';

const standIn = new URL('./index.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === 'electron'
      ? { url: standIn, format: 'module-typescript', shortCircuit: true }
      : next(specifier, context),
});
