import { describe, expect, it } from 'vitest';
import { componentsOf, roleOf } from './layout.ts';

const ids = (...files: string[]): string[] => componentsOf(files).map((c) => c.id);

describe('components of a folder', () => {
  it('are named by their file, or by their folder where the file says nothing', () => {
    expect(ids('onnx/vision_encoder.onnx', 'onnx/embed_tokens.onnx')).toEqual(['embed_tokens', 'vision_encoder']);
    expect(ids('unet/model.onnx', 'vae_decoder/model.onnx')).toEqual(['unet', 'vae_decoder']);
    expect(ids('model.onnx')).toEqual(['model']);
    expect(ids('onnx/model.onnx', 'onnx/text_model.onnx')).toEqual(['model', 'text_model']);
  });

  it('take the full precision and list the others', () => {
    expect(componentsOf(['onnx/a_q4.onnx', 'onnx/a_fp16.onnx', 'onnx/a.onnx'])).toEqual([
      { id: 'a', file: 'onnx/a.onnx', variants: ['onnx/a_fp16.onnx', 'onnx/a_q4.onnx'] },
    ]);
  });

  it('count a merged decoder and its two halves once', () => {
    expect(componentsOf(['decoder_model.onnx', 'decoder_model_merged.onnx', 'decoder_with_past_model.onnx'])).toEqual([
      {
        id: 'decoder_model_merged',
        file: 'decoder_model_merged.onnx',
        variants: ['decoder_model.onnx', 'decoder_with_past_model.onnx'],
      },
    ]);
  });
});

describe('the role of a component', () => {
  const role = (id: string, inputs: string[], outputs: string[]) => roleOf(id, { inputs, outputs });
  it('follows from its ports, else from its name', () => {
    expect(role('transformer', ['hidden_states', 'timestep'], ['out'])).toBe('denoiser');
    expect(role('model', ['input_ids', 'past_key_values.0.key'], ['logits'])).toBe('decoder');
    expect(role('decoder_model_merged', ['inputs_embeds', 'past_key_values.0.key'], ['logits'])).toBe('decoder');
    expect(role('vae_decoder', ['latent_sample'], ['sample'])).toBe('latent-decoder');
    expect(role('model', ['pixel_values'], ['logits'])).toBe('model');
    expect(role('tower', ['pixel_values'], ['image_features'])).toBe('vision-encoder');
  });
});
