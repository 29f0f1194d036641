import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPictureTexts, readQuestions } from './question-table.ts';

const folder = mkdtempSync(join(tmpdir(), 'secateur-questions-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const image = join(folder, 'a.png');
writeFileSync(image, 'not read here');
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe('questions about pictures', () => {
  const two = [
    { image, prompt: 'what, exactly?', answer: 'a ring', kind: 'shape' },
    { image: null, prompt: 'hello', answer: null, kind: null },
  ];

  it.each([
    ['q.csv', 'Image,prompt,answer,kind\na.png,"what, exactly?",a ring,shape\n,hello,,\n'],
    ['q.tsv', 'kind\tprompt\timage\tanswer\r\nshape\twhat, exactly?\ta.png\ta ring\r\n\thello\t\t\r\n'],
    ['q.jsonl', '{"image":"a.png","question":"what, exactly?","answer":"a ring","type":"shape"}\n\n{"question":"hello"}\n'], // prettier-ignore
  ])('are read from %s', async (name, text) => {
    expect(await readQuestions(file(name, text))).toEqual(two);
  });

  it('may have numbers for answers in JSON lines', async () => {
    const [q] = await readQuestions(file('n.jsonl', '{"image":"a.png","answer":3}'));
    expect(q).toEqual({ image, prompt: null, answer: '3', kind: null });
  });

  it.each([
    ['no columns', 'e1.csv', 'a,b\n1,2\n', 'data-invalid', /neither a column image nor a column prompt/],
    ['no rows', 'e2.csv', 'image,prompt\n', 'data-empty', /no rows/],
    ['a picture that is missing', 'e3.csv', 'image,prompt\nb.png,hi\n', 'question-row', /row 0 .* image: there is no file/], // prettier-ignore
    ['an empty row', 'e4.csv', 'image,prompt,kind\n,,where\n', 'question-row', /empty/],
    ['a separator without quotes', 'e5.csv', 'image,prompt\na.png,one, two\n', 'question-row', /3 fields and the header 2/], // prettier-ignore
    ['broken JSON', 'e6.jsonl', '{"image":\n', 'data-invalid', /row 0 is not JSON/],
    ['two names of a column', 'e8.jsonl', '{"prompt":"a"}\n{"question":"b"}', 'data-invalid', /prompt and question/],
    ['a list', 'e7.jsonl', '{"image":"a.png","answer":[1]}', 'question-row', /neither a text nor a number/],
  ])('are refused with %s', async (_, name, text, code, message) => {
    const error = await readQuestions(file(name, text)).catch((e: unknown) => e as { code: string; message: string });
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

describe('pictures with texts', () => {
  it('are read, and both columns are needed', async () => {
    expect(await readPictureTexts(file('t.csv', 'image,caption\na.png,a ring\n'))).toEqual([{ image, text: 'a ring' }]);
    await expect(readPictureTexts(file('u.csv', 'image,answer\na.png,1\n'))).rejects.toThrow(/no column text/);
    await expect(readPictureTexts(file('v.csv', 'image,text\na.png,\n'))).rejects.toThrow(/row 0 .* text: it is empty/);
  });
});
