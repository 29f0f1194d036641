/** Expected seconds per stage: from earlier runs where possible, otherwise rough weights. */

const WEIGHTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  inspect: { load: 1, facts: 4, groups: 1 },
  package: { load: 1, facts: 4, groups: 1 },
  bench: { measure: 10 },
  workload: { load: 1, measure: 20 },
  tokens: { load: 3, lessons: 20, recover: 300, judge: 5, write: 1, measure: 30, answers: 20 },
  'package-budget': { load: 3, lessons: 10, levels: 240, ways: 120, measure: 30, write: 1, answers: 10 },
  'token-times': { load: 2, measure: 20 },
  compress: {
    load: 2,
    baseline: 5,
    latency: 30,
    score: 2,
    allocate: 60,
    tokens: 10,
    compensate: 20,
    evaluate: 10,
    recover: 300,
    measure: 12,
    bundle: 3,
  },
  compare: { load: 1, measure: 8, evaluate: 10 },
  profile: { load: 1, profile: 2 },
  reach: { load: 1, baseline: 3, latency: 30 },
  preview: { load: 1, data: 2 },
  review: { load: 1, latency: 1, cost: 10, samples: 2 },
};

/**
 * `past`: seconds per stage of the task's last run; `own`: that run was of the same model. A run of
 * another model gives the proportions of the stages but not their length.
 */
export function expectedSeconds(
  task: string,
  input: unknown,
  past: Readonly<Record<string, number>>,
  own: boolean,
): {
  readonly seconds: Readonly<Record<string, number>>;
  readonly measured: boolean;
  /** Stages whose seconds are the user's time limit. */
  readonly limited: readonly string[];
} {
  const seconds: Record<string, number> = { ...WEIGHTS[task], ...past };
  const recovery = (input as { recipe?: { recovery?: { enabled?: boolean; seconds?: number } } } | null)?.recipe
    ?.recovery;
  // The user's time limit is the best estimate of recovery time.
  if (recovery && 'recover' in seconds) {
    if (!recovery.enabled) delete seconds['recover'];
    else if (recovery.seconds) seconds['recover'] = recovery.seconds;
  }
  const training = (input as { recover?: { seconds: number } | null } | null)?.recover;
  if (task === 'tokens') {
    if (training) seconds['recover'] = training.seconds;
    else for (const stage of ['lessons', 'recover', 'judge']) delete seconds[stage];
  }
  // Without pictures no answers are compared.
  if ((input as { images?: readonly string[] } | null)?.images?.length === 0) delete seconds['answers'];
  const limited = training || (recovery?.enabled && recovery.seconds) ? ['recover'] : [];
  return { seconds, measured: own && Object.keys(past).length > 0, limited };
}
