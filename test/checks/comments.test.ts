import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sourceFiles } from '../support/files.ts';
import { commentFaults } from './comments.ts';

const found = (source: string, path = 'src/main/somewhere.ts') => commentFaults(path, source);

describe('sentences of comments', () => {
  const files = ['src', 'test', 'bench', 'scripts'].flatMap((folder) =>
    sourceFiles(folder, ['.ts', '.mjs', '.js', '.svelte', '.css']),
  );

  it('begin with their subject', () => {
    expect(files.length).toBeGreaterThan(900);
    expect(files.flatMap((f) => commentFaults(f, readFileSync(f, 'utf8')))).toEqual([]);
  });

  // Canaries: comments that the check must refuse. Without them, a checker that finds nothing would
  // pass.
  it.each([
    ['a line', `// What is kept.\nconst a = 1;`],
    ['a line with "Of"', `// Of the original.\nconst a = 1;`],
    ['a comment after code', `const a = 1; // Of the model.`],
    ['a doc comment', `/** What a job is asked. */\nexport const a = 1;`],
    ['the first line of a doc comment', `/**\n * What a job\n * is asked.\n */\nexport const a = 1;`],
    ['a later sentence', `/** Kept for ever. What is old goes. */\nexport const a = 1;`],
    ['a later sentence in a new line', `// Kept for ever.\n// Of all files.\nconst a = 1;`],
    ['a paragraph', `/**\n * A header\n *\n * What follows\n */\nexport const a = 1;`],
    ['an item', `/**\n * Parts:\n * - What is read\n */\nexport const a = 1;`],
    ['a tag', `/** Runs.\n @throws What the job throws */\nexport const a = 1;`],
    ['a parameter', `/** Runs.\n @param a What it runs */\nexport const f = (a) => a;`],
    ['a member', `interface A {\n  /** Of the whole task. */\n  readonly a: number;\n}`],
    ['an argument', `f(\n  // What it reads.\n  a,\n);`],
    ['the end of a file', `const a = 1;\n// What is left.\n`],
    ['a value in a template', 'const a = `${\n  // Of the model.\n  b\n}`;'],
    ['a question that is no title', `const a = 1;\n// What is left?`],
  ])('are refused: %s', (_name, source) => expect(found(source)).toHaveLength(1)); // prettier-ignore

  it.each([
    ['the script of a component', `<script lang="ts">\n  /** What it shows. */\n  let a = 1;\n</script>\n<p>a</p>`],
    ['the markup of a component', `<p>a</p>\n<!-- What it shows. -->`],
    ['the style of a component', `<p>a</p>\n<style>\n  /* Of the page. */\n  p { margin: 0; }\n</style>`],
  ])('are refused: %s', (_name, source) => expect(found(source, 'src/renderer/A.svelte')).toHaveLength(1));

  it('are refused in scripts and style sheets, with their line', () => {
    expect(found(`const a = 1;\n\n// What is left.\n`, 'scripts/a.mjs')).toEqual([
      expect.stringMatching(/^scripts\/a\.mjs:3: /),
    ]);
    expect(found(`p {\n  /* What is left. */\n  margin: 0;\n}`, 'a.css')).toEqual([
      expect.stringMatching(/^a\.css:2: /),
    ]);
    expect(found(`// Kept. What is old\n// goes. Of the rest\n// some stays.`)).toHaveLength(2);
  });

  it.each([
    ['a word inside a sentence', `// The report says what is kept, and "What" is a word.\nconst a = 1;`],
    ['a word with the same beginning', `// Often and Whatever.\nconst a = 1;`],
    ['a question as title', `// What does a plan cost?\nconst a = 1;`],
    ['a string', `const a = '// What is it?', b = "/* Of it */";`],
    ['a template', 'const a = `\n// What is it\n${b} /* Of it */`;'],
    ['a pattern', `const a = /\\/\\/ What/;`],
  ])('are told from: %s', (_name, source) => expect(found(source)).toEqual([])); // prettier-ignore
});
