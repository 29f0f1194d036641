/** Language models, including mixtures of experts: a prompt, then token by token. */
import type { FamilyRule, PackageShape } from './contract.ts';
import { configNumber, hasInput, withRole } from './ports.ts';
import { generationMetrics, generationPhases, TOKENS } from './generation.ts';

const decoderOf = (pkg: PackageShape) => withRole(pkg, 'decoder').find((c) => hasInput(c, /input_ids|inputs_embeds/i));

export const family: FamilyRule = {
  priority: 10,
  detect(pkg) {
    if (!decoderOf(pkg) || withRole(pkg, 'vision-encoder', 'denoiser').length > 0) return null;
    const experts = configNumber(pkg, ['num_local_experts', 'num_experts', 'n_routed_experts']);
    return pkg.network === 'moe' || experts !== null ? 'moe' : 'lm';
  },
  serves: (pkg, asked) => (asked === 'lm' || asked === 'moe') && decoderOf(pkg) !== undefined,
  settings: [{ name: 'prompt', about: 'tokens of the prompt', least: 1, most: 100_000, default: () => 64 }, TOKENS],
  workload(pkg, settings) {
    const { prompt, tokens } = settings as { prompt: number; tokens: number };
    const about = `a prompt of ${prompt} tokens and an answer of ${tokens}`;
    const embedding = withRole(pkg, 'embedding')[0];
    const phases = generationPhases(pkg, { decoder: decoderOf(pkg)!, embedding, prompt, tokens });
    return { about, phases, metrics: generationMetrics(phases, about) };
  },
};
