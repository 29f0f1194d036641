/** Runs a package once: answers a prompt, or compares a picture with texts. */
import { SecateurError } from '../../shared/contract/errors.ts';
import type { AnswerReport, RunPhase, RunReport, RunRequest } from '../../shared/model/generate.ts';
import { partsOf } from '../engine/generation/parts.ts';
import type { StageContext } from '../pipeline/context.ts';
import { openPackage, type OpenedPackage } from '../pipeline/prepare/open-package.ts';
import { openDualRunner, openRunner, type RunnerOptions } from '../pipeline/prepare/open-runner.ts';
import type { AnswerTimes } from '../runtime/generate/contract.ts';

/** @throws 'run-*', 'prompt-too-long', 'image-unreadable', 'tokenizer-unusable', and errors of `openPackage` */
export async function runRun(request: RunRequest, ctx: StageContext): Promise<RunReport> {
  const { provider, threads } = request;
  const pkg = openPackage(request.package);
  const options: RunnerOptions = { executor: ctx.executor, provider, threads };
  if (partsOf(pkg.shape).kind === 'dual') return scores(pkg, request, options);
  if (request.texts)
    throw new SecateurError('usage', { reason: 'the package writes answers, and --texts is for dual encoders' });
  return answerPrompt(pkg, request, options, ctx);
}

/**
 * Answers a prompt; each piece of the text is passed on as soon as it is certain.
 * @throws 'run-*', 'prompt-too-long', 'image-unreadable', 'tokenizer-unusable'
 */
export async function answerPrompt(
  pkg: OpenedPackage,
  request: Omit<RunRequest, 'texts'>,
  options: RunnerOptions,
  ctx: StageContext,
): Promise<AnswerReport> {
  const { image, prompt, tokens } = request;
  const runner = openRunner(pkg, options);
  try {
    const { times, ...rest } = await runner.generate(
      { image, prompt, tokens, sampling: request.sampling ?? null },
      ({ text }) => {
        if (text !== '') ctx.text?.(text);
      },
    );
    return { kind: 'answer', package: request.package, ...rest, phases: phasesOf(times) };
  } finally {
    await runner.close();
  }
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

function phasesOf({ image, vision, embed, prefill, steps }: AnswerTimes): RunPhase[] {
  const once = [
    { name: 'image', repeat: 1, ms: image },
    { name: 'vision', repeat: 1, ms: vision },
    { name: 'embed', repeat: 1, ms: embed },
  ].filter((p) => p.ms > 0);
  return [
    ...once,
    { name: 'prefill', repeat: 1, ms: prefill },
    ...(steps.length > 0 ? [{ name: 'decode', repeat: steps.length, ms: sum(steps) }] : []),
  ];
}

async function scores(pkg: OpenedPackage, request: RunRequest, options: RunnerOptions): Promise<RunReport> {
  const { image, texts } = request;
  if (image === undefined)
    throw new SecateurError('run-image', { reason: 'the package needs one, and none was given' });
  if (!texts)
    throw new SecateurError('usage', { reason: 'the package compares a picture with texts, and --texts gives none' });
  const runner = openDualRunner(pkg, options);
  try {
    const r = await runner.compare(image, texts);
    return {
      kind: 'scores',
      package: request.package,
      scores: texts.map((text, i) => ({ text, score: r.scores[i]! })).sort((a, b) => b.score - a.score),
      phases: [
        { name: 'image', repeat: 1, ms: r.times.image },
        { name: 'vision', repeat: 1, ms: r.times.vision },
        { name: 'text', repeat: texts.length, ms: sum(r.times.texts) },
      ],
      notes: r.notes,
    };
  } finally {
    await runner.close();
  }
}
