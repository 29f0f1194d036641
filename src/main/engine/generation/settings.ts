/** Settings of generation from a package's configuration: special tokens, limits, and settings that are not applied. */
import type { PackageShape } from '../families/contract.ts';
import { configNumber } from '../families/ports.ts';

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A configuration file of the package's root, or an empty one. */
export const rootConfig = (pkg: PackageShape, name: string): Json => {
  const found = pkg.configs[name];
  return isRecord(found) ? found : {};
};

/** Sections of the configuration that may hold a decoder's settings, the most specific first. */
function* decoderSections(pkg: PackageShape): Generator<Json> {
  yield rootConfig(pkg, 'generation_config.json');
  const config = rootConfig(pkg, 'config.json');
  yield config;
  for (const name of ['text_config', 'decoder']) if (isRecord(config[name])) yield config[name];
  const genai = rootConfig(pkg, 'genai_config.json')['model'];
  if (isRecord(genai)) yield genai;
}

const numbersIn = (value: unknown): number[] =>
  [value].flat().filter((v): v is number => typeof v === 'number' && Number.isInteger(v));

/** Values of the first section that has the key. */
function firstNumbers(pkg: PackageShape, key: string): number[] {
  for (const section of decoderSections(pkg)) {
    const found = numbersIn(section[key]);
    if (found.length > 0) return found;
  }
  return [];
}

/** Tokens that end an answer, as the configuration says. */
export const endTokens = (pkg: PackageShape): number[] => firstNumbers(pkg, 'eos_token_id');

/** The first token of a decoder that has no prompt of its own; null where the configuration does not say it. */
export const startToken = (pkg: PackageShape): number | null =>
  firstNumbers(pkg, 'decoder_start_token_id')[0] ?? firstNumbers(pkg, 'bos_token_id')[0] ?? null;

/** The token that stands for one image feature; null where the configuration does not say it. */
export const imageToken = (pkg: PackageShape): number | null =>
  firstNumbers(pkg, 'image_token_id')[0] ?? firstNumbers(pkg, 'image_token_index')[0] ?? null;

/** Most positions that the decoder knows; null where the configuration does not say it. */
export function mostPositions(pkg: PackageShape): number | null {
  for (const key of ['max_position_embeddings', 'n_positions', 'max_target_positions', 'context_length'])
    for (const section of decoderSections(pkg)) {
      const found = section[key];
      if (typeof found === 'number') return found;
    }
  return null;
}

/** Feature rows per picture or tile that the configuration declares; null where it does not say it. */
export const declaredImageTokens = (pkg: PackageShape): number | null =>
  configNumber(pkg, ['image_seq_len', 'image_seq_length', 'mm_tokens_per_image']);

/** Tokens of an answer where the user gives no number. */
export function defaultAnswer(pkg: PackageShape): number {
  const said = rootConfig(pkg, 'generation_config.json')['max_new_tokens'];
  return typeof said === 'number' && said > 0 ? said : DEFAULT_ANSWER;
}

const DEFAULT_ANSWER = 64;

/** Settings that change which token is chosen and that the runner does not apply, with their neutral values. */
const NOT_APPLIED: Readonly<Record<string, unknown>> = {
  num_beams: 1,
  repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  encoder_no_repeat_ngram_size: 0,
  suppress_tokens: null,
  begin_suppress_tokens: null,
  bad_words_ids: null,
  forced_bos_token_id: null,
  forced_eos_token_id: null,
  min_new_tokens: null,
  min_length: 0,
};

/** Names of generation settings in the package that the runner does not apply. */
export function settingsNotApplied(pkg: PackageShape): string[] {
  const config = rootConfig(pkg, 'generation_config.json');
  return Object.entries(NOT_APPLIED).flatMap(([name, neutral]) => {
    const value = config[name];
    const empty = value === undefined || value === null || (Array.isArray(value) && value.length === 0);
    return empty || value === neutral ? [] : [name];
  });
}
