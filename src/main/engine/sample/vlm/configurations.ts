/** The configuration files of the sample's package, as transformers and transformers.js read them. */
import { DEVIATION, MEAN } from './batches.ts';
import { EPSILON } from './parts.ts';
import { headSize, imageTokens, patchSide, type VlmSizes } from './sizes.ts';
import { BOS, EOS, IMAGE, PAD, SPECIAL, WORDS } from './vocabulary.ts';

/** Contents by file name. The layout is that of LLaVA: one picture of a fixed size, one row of features per patch. */
export const configurations = (s: VlmSizes): Record<string, object> => ({
  'config.json': config(s),
  'generation_config.json': { bos_token_id: BOS, eos_token_id: EOS, pad_token_id: PAD, max_new_tokens: 4 },
  'preprocessor_config.json': {
    image_processor_type: 'CLIPImageProcessor',
    processor_class: 'LlavaProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { height: s.picture, width: s.picture },
    resample: 3,
    do_center_crop: false,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: [MEAN, MEAN, MEAN],
    image_std: [DEVIATION, DEVIATION, DEVIATION],
  },
  'processor_config.json': {
    processor_class: 'LlavaProcessor',
    image_token: SPECIAL[IMAGE],
    patch_size: s.picture / patchSide(s),
    num_additional_image_tokens: 0,
    vision_feature_select_strategy: 'full',
  },
  'tokenizer.json': tokenizer(),
  'tokenizer_config.json': {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: SPECIAL[BOS],
    eos_token: SPECIAL[EOS],
    pad_token: SPECIAL[PAD],
    unk_token: SPECIAL[3],
    model_max_length: s.positions,
    clean_up_tokenization_spaces: false,
    added_tokens_decoder: Object.fromEntries(addedTokens().map(({ id, ...token }) => [id, token])),
    chat_template:
      "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}",
  },
  'special_tokens_map.json': {
    bos_token: SPECIAL[BOS],
    eos_token: SPECIAL[EOS],
    pad_token: SPECIAL[PAD],
    unk_token: SPECIAL[3],
  },
});

function config(s: VlmSizes): object {
  return {
    architectures: ['LlavaForConditionalGeneration'],
    model_type: 'llava',
    image_seq_length: imageTokens(s),
    image_token_index: IMAGE,
    pad_token_id: PAD,
    projector_hidden_act: 'gelu',
    multimodal_projector_bias: true,
    vision_feature_layer: -1,
    vision_feature_select_strategy: 'full',
    tie_word_embeddings: false,
    text_config: {
      model_type: 'llama',
      hidden_size: s.width,
      intermediate_size: s.hidden,
      hidden_act: 'silu',
      num_hidden_layers: s.layers,
      num_attention_heads: s.heads,
      num_key_value_heads: s.kvHeads,
      head_dim: headSize(s),
      vocab_size: s.vocabulary,
      max_position_embeddings: s.positions,
      rms_norm_eps: EPSILON,
      rope_theta: s.theta,
      attention_bias: false,
      mlp_bias: false,
      bos_token_id: BOS,
      eos_token_id: EOS,
      pad_token_id: PAD,
      use_cache: true,
    },
    vision_config: {
      model_type: 'clip_vision_model',
      image_size: s.picture,
      patch_size: s.picture / patchSide(s),
      num_channels: 3,
      hidden_size: s.stem.at(-1),
      intermediate_size: s.visionHidden,
      num_hidden_layers: s.visionLayers,
      num_attention_heads: s.visionHeads,
      hidden_act: 'gelu',
      layer_norm_eps: EPSILON,
    },
  };
}

const addedTokens = () =>
  SPECIAL.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));

/** Every word is in the vocabulary, so a word-piece model never splits one. Runtimes support it everywhere. */
function tokenizer(): object {
  const begin = SPECIAL[BOS];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(),
    // Questions are trained without their mark.
    normalizer: {
      type: 'Sequence',
      normalizers: [{ type: 'Lowercase' }, { type: 'Replace', pattern: { String: '?' }, content: '' }],
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: begin, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: begin, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
      ],
      special_tokens: { [begin]: { id: begin, ids: [BOS], tokens: [begin] } },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: {
      type: 'WordPiece',
      unk_token: SPECIAL[3],
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])),
    },
  };
}
