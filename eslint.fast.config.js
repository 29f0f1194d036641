// The rules of eslint.config.js that need no types, for `npm run test:fast`. Types take half of the linter's time.
import ts from 'typescript-eslint';
import all from './eslint.config.js';

const needsTypes = (name) =>
  ts.plugin.rules[name.replace('@typescript-eslint/', '')]?.meta.docs?.requiresTypeChecking === true;

export default all.map((config) =>
  config.languageOptions?.parserOptions?.projectService
    ? {
        files: config.files,
        rules: Object.fromEntries(Object.entries(config.rules).filter(([name]) => !needsTypes(name))),
      }
    : config,
);
