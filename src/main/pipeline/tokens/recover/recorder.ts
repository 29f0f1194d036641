/** The feeds that a runner would give to a decoder, without running it. */
import type { ExecSession, Executor, HostTensor } from '../../../engine/executor.ts';
import { DType } from '../../../engine/ir/dtype.ts';
import type { Model } from '../../../engine/ir/model.ts';
import type { Prompt } from '../../../runtime/generate/contract.ts';
import type { AnswerRunner } from '../../../runtime/generate/runner.ts';

export type Feeds = Readonly<Record<string, HostTensor>>;

export interface Recorder {
  /** Runs every model but the decoder. */
  readonly executor: Executor;
  /**
   * Feeds of one run over a prompt and the tokens behind it, and for each token whether it is an image feature.
   * @param runner that was opened with `executor`
   */
  feeds(
    runner: AnswerRunner,
    prompt: Prompt,
    following: readonly number[],
  ): Promise<{ feeds: Feeds; isImage: readonly boolean[] }>;
}

/** @param decoder the same object that the runner gets in place of its component */
export function recorderOf(executor: Executor, decoder: Model): Recorder {
  let seen: Feeds | null = null;
  // One logit of one token: the runner reads no more than its shape.
  const logits: HostTensor = { dtype: DType.FLOAT, dims: [1, 1, 1], data: new Float32Array(1) };
  const session: ExecSession = {
    inputNames: decoder.graph.inputs.map((v) => v.name),
    outputNames: decoder.graph.outputs.map((v) => v.name),
    outputDtypes: new Map(),
    run: (feeds) => {
      seen = feeds;
      return Promise.resolve(Object.fromEntries(decoder.graph.outputs.filter((v) => /^logits$/i.test(v.name)).map((v) => [v.name, logits]))); // prettier-ignore
    },
    release: () => Promise.resolve(),
  };
  return {
    executor: {
      open: (model, options) => (model === decoder ? Promise.resolve(session) : executor.open(model, options)),
    },
    async feeds(runner, prompt, following) {
      const { isImage } = await runner.prefillLogits(prompt, following);
      return { feeds: seen!, isImage };
    },
  };
}
