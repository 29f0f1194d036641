import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { renderChat } from './chat.ts';
import type { TextCoder } from './coder.ts';
import { scoredCoder } from './scored-coder.ts';
import { openTextCoder } from './text-coder.ts';
import { TextStream } from './text-stream.ts';
import { wordCoder } from './word-coder.ts';

const root = mkdtempSync(join(tmpdir(), 'secateur-coder-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);

describe('vocabularies with scores', () => {
  const coder = scoredCoder({
    vocab: ['<unk>', '<s>', '</s>', ...bytes, ' ', 'a', 'b', 'c', 'ab', 'bc', ' a', 'abc'],
    scores: [...Array.from({ length: 263 }, () => 0), -1, -2, -3, -4],
  });
  const idsOf = (...pieces: string[]) => pieces.map((p) => coder.idOf(p));
  it('merge the best pair first', () => {
    // "ab" comes before "bc" and " a", so "abc" forms at last.
    expect(coder.encode('abc', true)).toEqual([1, ...idsOf(' ', 'abc')]);
  });
  it('write characters that they lack as bytes, and read them back', () => {
    expect(coder.encode('é', false)).toEqual([...idsOf(' '), 3 + 0xc3, 3 + 0xa9]);
    expect(coder.decode([1, ...coder.encode('abc é', false), 2])).toBe('abc é');
  });
});

describe('lists of words', () => {
  it('join words of one character without spaces, and others with them', () => {
    const digits = wordCoder({ vocab: { '0': 0, '1': 1, '<s>': 2, '<eos>': 3 }, start: 2, end: 3 });
    expect(digits.encode('1 0', true)).toEqual([2, 1, 0]);
    expect(digits.decode([2, 1, 0, 3])).toBe('10');
    const latex = wordCoder({
      word2idx: { '<sos>': 1, '<eos>': 2, '\\frac': 3, a: 4, '<': 5 },
      special_tokens: { sos: 1, eos: 2 },
    });
    expect(latex.decode([3, 4, 5, 2])).toBe('\\frac a <');
    expect([latex.start, latex.end]).toEqual([1, 2]);
    expect(() => latex.encode('b', false)).toThrow(/no word "b"/);
  });
});

describe('openTextCoder', () => {
  it('finds none in an empty folder', () => expect(openTextCoder(root)).toBeNull());
  it('reads tokenizer.json with special tokens of tokenizer_config.json', () => {
    const vocab = { '<s>': 0, '</s>': 1, H: 2, i: 3, Hi: 4 };
    const special = (content: string, id: number) => ({
      id,
      content,
      special: true,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    });
    writeFileSync(
      join(root, 'tokenizer.json'),
      JSON.stringify({
        version: '1.0',
        added_tokens: [special('<s>', 0), special('</s>', 1)],
        normalizer: null,
        pre_tokenizer: null,
        post_processor: null,
        decoder: { type: 'Fuse' },
        model: { type: 'BPE', vocab, merges: [['H', 'i']] },
      }),
    );
    writeFileSync(
      join(root, 'tokenizer_config.json'),
      JSON.stringify({ eos_token: { content: '</s>' }, bos_token: '<s>' }),
    );
    const coder = openTextCoder(root)!;
    expect(coder.encode('<s>Hi</s>', false)).toEqual([0, 4, 1]);
    expect(coder.decode([0, 4, 1])).toBe('Hi');
    expect([coder.start, coder.end, coder.tokenOf(4)]).toEqual([0, 1, 'Hi']);
  });
  it('names the file that is no JSON', () => {
    writeFileSync(join(root, 'tokenizer.json'), '{');
    expect(() => openTextCoder(root)).toThrow(/tokenizer\.json cannot be used/);
  });
});

describe('TextStream', () => {
  it('holds back the beginning of a character', () => {
    const utf8 = new TextDecoder();
    const coder = { decode: (ids) => utf8.decode(Uint8Array.from(ids)) } as TextCoder;
    const stream = new TextStream(coder);
    expect([0x61, 0xc3, 0xa9, 0x62, 0xc3].map((b) => stream.push(b))).toEqual(['a', '', 'é', 'b', '']);
    expect(stream.end()).toBe('\uFFFD');
  });
});

describe('renderChat', () => {
  const lists =
    "{% for m in messages %}{{ bos_token }}{{ m.role }}:{% for p in m.content %}{% if p.type == 'image' %}<image>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} answer:{% endif %}";
  it('gives pictures before the text', () => {
    expect(renderChat(lists, 'what?', 1, { bos_token: '<s>' })).toBe('<s>user:<image>what? answer:');
  });
  it('gives plain text to templates that expect it', () => {
    expect(renderChat('{{ messages[0].content }}!', 'hello', 0, {})).toBe('hello!');
  });
  it('refuses a template that leaves the text out', () => {
    expect(() => renderChat('nothing', 'hello', 1, {})).toThrow(/text is missing/);
    expect(() => renderChat("{{ raise_exception('no pictures') }}", 'hello', 1, {})).toThrow(/no pictures/);
  });
});
