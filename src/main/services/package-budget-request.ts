/** The request of `compress` for a whole package, from its options. */
import { SecateurError } from '../../shared/contract/errors.ts';
import { parseBudget } from '../../shared/model/budget.ts';
import type { PackageBudgetRequest } from '../../shared/model/package-budget.ts';
import { loadRecipe } from './recipes.ts';
import { existing, floorOf, isPackage, measuring, outFolder, withOptions, type CompressOptions } from './requests.ts';
import { picturesAt } from './tokens-request.ts';

export interface PackageBudgetOptions extends CompressOptions {
  readonly image?: readonly string[];
  readonly prompt?: readonly string[];
  readonly questions?: string;
  /** `auto`, `none` or a method. */
  readonly tokens?: string;
}

/**
 * Null for a budget on one model or one component.
 * @throws 'file-not-found', 'file-unreadable', 'usage', 'budget-invalid', 'recipe-*'
 */
export function packageBudgetRequest(
  path: string,
  o: Omit<PackageBudgetOptions, 'device'>,
  cwd: string,
): PackageBudgetRequest | null {
  const refuse = (reason: string): never => {
    throw new SecateurError('usage', { reason });
  };
  const own = [o.image && '--image', o.prompt && '--prompt', o.questions && '--questions', o.tokens && '--tokens'].filter(Boolean); // prettier-ignore
  if (own.length === 0) return null;
  const folder = existing(path, cwd);
  if (!isPackage(path, cwd)) return refuse(`${own[0]} is for the folder of a package, and this is a file`);
  if (o.component !== undefined) return refuse(`${own[0]} is for a budget on the whole package, and --component for one on a part of it`); // prettier-ignore
  for (const [option, given] of [
    ['--data', o.data],
    ['--labels', o.labels],
    ['--preprocess', o.preprocess],
    ['--output', o.output],
    ['--dim', o.dim],
    ['--batch', o.batch !== undefined && o.batch !== 1 ? o.batch : undefined],
  ] as const)
    if (given !== undefined) refuse(`${option} is for one model, and a whole package is pruned on its pictures and prompts`); // prettier-ignore
  if (o.questions !== undefined && (o.image || o.prompt))
    refuse('--questions names pictures and prompts itself, so --image and --prompt do not go with it');
  if (o.questions === undefined && !o.image)
    refuse('a budget on the whole package needs pictures: --image and --prompt, or --questions');
  const { provider, threads, threadsAsked } = measuring(o);
  return {
    package: folder,
    budget: { ...parseBudget(o.budget), percentile: o.percentile ?? 50, batch: 1, threads, provider },
    metric: o.metric ?? 'total',
    tokens: o.tokens ?? 'auto',
    images: (o.image ?? []).flatMap((image) => picturesAt(existing(image, cwd))),
    prompts: o.prompt ?? [],
    ...(o.questions !== undefined && { questions: { path: existing(o.questions, cwd), localisation: null } }),
    settings: o.workload ?? {},
    recipe: withOptions(loadRecipe(o.recipe, cwd), o, false),
    out: outFolder(o.out, folder, cwd),
    seed: o.seed ?? 0,
    ...floorOf(o),
    ...(threadsAsked !== undefined && { threadsAsked }),
  };
}
