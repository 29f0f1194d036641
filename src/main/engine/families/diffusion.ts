/** Diffusion pipelines: text encoders run once, the denoiser once per step, the latent decoder once. */
import type { Phase } from '../../../shared/model/package.ts';
import type { ComponentShape, FamilyRule, PackageShape } from './contract.ts';
import { configNumber, configOf, dimsFor, hasInput, withRole } from './ports.ts';

const denoiserOf = (pkg: PackageShape): ComponentShape | undefined => withRole(pkg, 'denoiser')[0];

/** Side of the latent image. */
function latentSide(pkg: PackageShape): number {
  const denoiser = denoiserOf(pkg);
  const said = denoiser && configOf(pkg, denoiser)['sample_size'];
  return typeof said === 'number' ? said : 64;
}

const textTokens = (pkg: PackageShape): number => {
  const most = configNumber(pkg, ['model_max_length', 'max_position_embeddings']);
  // Tokenizers without a limit use 1e30.
  return most !== null && most < 100_000 ? most : 77;
};

export const family: FamilyRule = {
  priority: 40,
  detect: (pkg) => (denoiserOf(pkg) ? 'diffusion' : null),
  serves: (pkg, asked) => asked === 'diffusion' && denoiserOf(pkg) !== undefined,
  settings: [
    { name: 'steps', about: 'steps of the sampler', least: 1, most: 1000, default: () => 20 },
    {
      name: 'guidance',
      about: '1: every step runs with and without the text, as classifier-free guidance does; 0: once',
      least: 0,
      most: 1,
      default: (pkg) => (withRole(pkg, 'text-encoder').length > 0 ? 1 : 0),
    },
    { name: 'side', about: 'side of the latent picture', least: 1, most: 4096, default: latentSide },
    { name: 'text', about: 'tokens of the prompt', least: 1, most: 100_000, default: textTokens },
  ],
  workload(pkg, settings) {
    const { steps, guidance, side, text } = settings as Record<string, number> as {
      steps: number;
      guidance: number;
      side: number;
      text: number;
    };
    const denoiser = denoiserOf(pkg)!;
    const batch = 1 + guidance;
    const phases: Phase[] = withRole(pkg, 'text-encoder').map((c) => ({
      name: c.id,
      component: c.id,
      repeat: batch,
      dims: dimsFor(c, { batch: 1, fresh: text }),
    }));
    phases.push({
      name: 'denoise',
      component: denoiser.id,
      repeat: steps,
      dims: dimsFor(denoiser, { batch, side, encoded: text, fresh: text }),
    });
    const decoder = withRole(pkg, 'latent-decoder')[0];
    if (decoder)
      phases.push({ name: 'decode', component: decoder.id, repeat: 1, dims: dimsFor(decoder, { batch: 1, side }) });
    const guided = guidance && hasInput(denoiser, /encoder_hidden_states|class_labels/i) ? ' with guidance' : '';
    const about = `one picture in ${steps} ${steps === 1 ? 'step' : 'steps'}${guided}`;
    return {
      about,
      phases,
      metrics: [
        { name: 'total', about, weights: Object.fromEntries(phases.map((p) => [p.name, p.repeat])) },
        { name: 'per-step', about: 'one step of the denoiser', weights: { denoise: 1 } },
      ],
    };
  },
};
