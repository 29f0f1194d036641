/** Text to tokens and back. The file of a package decides which kind of vocabulary it is. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { TextCoder } from './coder.ts';
import { huggingFaceCoder } from './hugging-face-coder.ts';
import { isScoredVocabulary, scoredCoder } from './scored-coder.ts';
import { isWordList, wordCoder } from './word-coder.ts';

const FILES = /^(tokenizer[^/]*|vocab)\.json$/i;

/**
 * The vocabulary of a package, or null where it has none.
 * @param root folder of the package
 * @throws 'tokenizer-unusable'
 */
export function openTextCoder(root: string): TextCoder | null {
  const folders = ['', 'tokenizer'].map((name) => join(root, name));
  for (const folder of folders) {
    const names = filesOf(folder).filter((name) => FILES.test(name));
    // The fast tokenizer's file holds everything; vocab.json may be a part of the same tokenizer.
    names.sort((a, b) => Number(b === 'tokenizer.json') - Number(a === 'tokenizer.json'));
    for (const name of names) {
      const path = join(folder, name);
      const content = jsonOf(path);
      if (isTokenizerJson(content)) return huggingFaceCoder(content, configBeside(folder), path);
      if (isScoredVocabulary(content)) return scoredCoder(content);
      if (isWordList(content)) return wordCoder(content);
    }
  }
  return null;
}

const isTokenizerJson = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && 'model' in value && 'added_tokens' in value;

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function configBeside(folder: string): object {
  const path = join(folder, 'tokenizer_config.json');
  return filesOf(folder).includes('tokenizer_config.json') ? (jsonOf(path) as object) : {};
}

function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (e) {
    throw new SecateurError('tokenizer-unusable', { path, reason: (e as Error).message }, { cause: e });
  }
}
