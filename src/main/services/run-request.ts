/** The request of `run` from its options. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { RunRequest } from '../../shared/model/generate.ts';
import { existing, measuring } from './requests.ts';

export interface RunOptions {
  readonly image?: string;
  readonly prompt?: string;
  readonly texts?: readonly string[];
  readonly tokens?: number;
  readonly sample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly provider?: string;
  readonly threads?: number;
}

/** @throws 'file-not-found', 'file-unreadable', 'usage' */
export function runRequest(path: string, o: RunOptions, cwd: string): RunRequest {
  const { temperature, topK, topP, seed } = o;
  if (!o.sample && [temperature, topK, topP, seed].some((x) => x !== undefined))
    throw new SecateurError('usage', { reason: '--temperature, --top-k, --top-p and --seed need --sample' });
  const { provider, threads } = measuring(o);
  return {
    package: existing(path, cwd),
    ...(o.image !== undefined && { image: existing(o.image, cwd) }),
    ...(o.prompt !== undefined && { prompt: o.prompt }),
    ...(o.texts && { texts: o.texts }),
    ...(o.tokens !== undefined && { tokens: o.tokens }),
    ...(o.sample && {
      sampling: { temperature: temperature ?? 1, topK: topK ?? 0, topP: topP ?? 1, seed: seed ?? 0 },
    }),
    provider,
    threads,
  };
}
