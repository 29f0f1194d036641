/**
 * Configuration of a package whose pictures have another number of tokens. Runners write that many placeholders into a
 * prompt and refuse a number that differs from the rows of the encoder; each kind of model declares it elsewhere.
 */

/** Contents of JSON files by path relative to the package. */
export type Configs = Readonly<Record<string, unknown>>;

/** Tokens per picture or tile as the decoder gets them, fixed ones included. */
export interface CountChange {
  readonly from: number;
  readonly to: number;
}

export type ChangedConfigs =
  | { readonly configs: Configs; readonly notes: readonly string[] }
  /** Why no configuration gives that number. */
  | { readonly refused: string };

type Json = Readonly<Record<string, unknown>>;
type Rule = (configs: Configs, change: CountChange) => Configs | string;

const isObject = (x: unknown): x is Json => typeof x === 'object' && x !== null && !Array.isArray(x);
const fileOf = (configs: Configs, name: string): Json => {
  const found = configs[name];
  return isObject(found) ? found : {};
};
const numberAt = (x: Json, key: string): number | undefined => (typeof x[key] === 'number' ? x[key] : undefined);

/** A rule for runners that read one number from one file. */
const declared =
  (file: string, key: string): Rule =>
  (configs, { from, to }) => {
    const config = fileOf(configs, file);
    const said = numberAt(config, key);
    if (said !== undefined && said !== from) return `${file} declares ${said} tokens per picture, and the encoder gives ${from}`; // prettier-ignore
    return { [file]: { ...config, [key]: to } };
  };

/**
 * LLaVA: runners count the patches of the prepared picture and add a number that the processor gives. Python subtracts a
 * class token where the strategy is 'default' and transformers.js does not; with 'full' both count alike.
 */
const llava: Rule = (configs, { to }) => {
  const processor = fileOf(configs, 'processor_config.json');
  const vision = fileOf(fileOf(configs, 'config.json'), 'vision_config');
  const patch = numberAt(processor, 'patch_size') ?? numberAt(vision, 'patch_size');
  const side = pictureSide(fileOf(configs, 'preprocessor_config.json'));
  if (patch === undefined || side === undefined) return 'the prepared pictures have no fixed size, from which runners count patches'; // prettier-ignore
  const patches = Math.floor(side[0] / patch) * Math.floor(side[1] / patch);
  const change = { patch_size: patch, num_additional_image_tokens: to - patches, vision_feature_select_strategy: 'full' }; // prettier-ignore
  return { 'processor_config.json': { ...processor, ...change } };
};

/** Height and width of prepared pictures, where they are the same for every picture. */
function pictureSide(preprocessor: Json): readonly [number, number] | undefined {
  const size = preprocessor['do_center_crop'] === false ? preprocessor['size'] : (preprocessor['crop_size'] ?? preprocessor['size']); // prettier-ignore
  if (typeof size === 'number') return [size, size];
  if (!isObject(size)) return undefined;
  const [height, width] = [numberAt(size, 'height'), numberAt(size, 'width')];
  return height !== undefined && width !== undefined ? [height, width] : undefined;
}

/** Models without placeholders: decoders that attend to whatever rows they get, and models without a decoder. */
const anyNumber: Rule = () => ({});
const refuse =
  (reason: string): Rule =>
  () =>
    reason;

const fromGrid = refuse('runners compute the number of tokens and their positions from the grid of patches');
const fromSize = refuse('runners compute the number of tokens from the size of the picture');
const inProcessor = (key: string): Rule => declared('processor_config.json', key);

/** By model_type of config.json. */
const RULES: Readonly<Record<string, Rule>> = {
  idefics3: inProcessor('image_seq_len'),
  smolvlm: inProcessor('image_seq_len'),
  gemma3: inProcessor('image_seq_length'),
  gemma3n: inProcessor('image_seq_length'),
  paligemma: declared('preprocessor_config.json', 'image_seq_length'),
  janus: inProcessor('num_image_tokens'),
  multi_modality: inProcessor('num_image_tokens'),
  llava,
  florence2: anyNumber,
  'vision-encoder-decoder': anyNumber,
  blip: anyNumber,
  clip: anyNumber,
  siglip: anyNumber,
  vit: anyNumber,
  deit: anyNumber,
  qwen2_vl: fromGrid,
  qwen2_5_vl: fromGrid,
  qwen3_vl: fromGrid,
  llava_next: fromSize,
  llava_onevision: fromSize,
  phi3_v: fromSize,
  gemma4: fromSize,
};

/** Keys under which config.json repeats the number, at its top or in a section. */
const REPEATED = ['image_seq_len', 'image_seq_length', 'mm_tokens_per_image', 'num_image_tokens'];

/**
 * The files that change with the number of tokens, or why none is possible.
 * @returns whole contents of the changed files; notes name runners whose counts are not known
 */
export function countConfigs(configs: Configs, change: CountChange): ChangedConfigs {
  const config = fileOf(configs, 'config.json');
  const type = typeof config['model_type'] === 'string' ? config['model_type'] : '';
  const rule = RULES[type];
  if (!rule) return { refused: `it is not known where runners of ${type || 'this package'} read the number of tokens` };
  const isGenai = 'genai_config.json' in configs;
  if (isGenai && type === 'gemma3') return { refused: 'onnxruntime-genai always takes 256 tokens per picture of Gemma 3' }; // prettier-ignore
  const changed = rule(configs, change);
  if (typeof changed === 'string') return { refused: changed };
  const repeated = repeatedIn(config, change);
  return {
    configs: { ...changed, ...(repeated !== config && { 'config.json': repeated }) },
    notes: isGenai ? ['onnxruntime-genai counts image tokens itself; whether it takes the new number is not known'] : [], // prettier-ignore
  };
}

/** The configuration with the number replaced where it repeats it; the same object where it does not. */
function repeatedIn(config: Json, { from, to }: CountChange, depth = 0): Json {
  const entries = Object.entries(config).map(([key, value]): [string, unknown] => {
    if (REPEATED.includes(key) && value === from) return [key, to];
    return [key, isObject(value) && depth < 1 ? repeatedIn(value, { from, to }, depth + 1) : value];
  });
  return entries.some(([key, value]) => config[key] !== value) ? Object.fromEntries(entries) : config;
}
