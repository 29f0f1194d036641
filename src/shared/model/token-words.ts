/** Sentences about the tokens of a result, for the command line, the model card and the window. */
import type { TokensReport } from './job.ts';

/** The cut of the tokens, and the other ways that were compared. */
export function tokenSentences({ before, left, schedule, tried }: TokensReport): string[] {
  const done = schedule
    ? `Tokens: ${schedule.method} keeps ${left} of ${before}, in ${schedule.steps.length} ${schedule.steps.length === 1 ? 'step' : 'steps'}.`
    : `Tokens: all ${before} stay.`;
  const others = tried.map(({ way, schedule: s, change }) => {
    const name = s ? `${way} (${s.method})` : way;
    return `${name}: ${change === null ? 'cannot meet the budget' : `change of the outputs ${change.toPrecision(2)}`}`;
  });
  return [done, ...(others.length > 1 ? [`Compared for this budget: ${others.join('; ')}.`] : [])];
}
