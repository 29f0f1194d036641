/** Values for the inputs of a decoder, chosen by the names of its ports. Unknown inputs are refused before any run. */
import { SecateurError } from '../../../shared/contract/errors.ts';
import type { HostTensor } from '../../engine/executor.ts';
import type { ComponentShape, PortShape } from '../../engine/families/contract.ts';
import { filled } from '../../engine/families/named-inputs.ts';
import { DType } from '../../engine/ir/dtype.ts';

/** One run of a decoder. */
export interface Step {
  /** New tokens. */
  readonly ids: readonly number[];
  /** Embeddings of the new tokens, [1, tokens, width], where the decoder takes them. */
  readonly embeds: HostTensor | null;
  /** Tokens of earlier runs that this run does not get again. */
  readonly seen: number;
  /** For every new token, whether it is an image feature. */
  readonly isImage: readonly boolean[];
  /** True: logits of all new tokens are wanted; false: of the last one. */
  readonly all: boolean;
}

export type Feeder = (step: Step) => HostTensor;

interface FeedRule {
  readonly name: RegExp;
  readonly rank: number;
  /** Element type where the graph does not say it. */
  readonly dtype: number;
  /** The values and dims of a run. */
  readonly make: (step: Step) => { dims: readonly number[]; at: (i: number) => number };
}

const RULES: readonly FeedRule[] = [
  {
    name: /^(decoder_)?input_ids$/i,
    rank: 2,
    dtype: DType.INT64,
    make: ({ ids }) => ({ dims: [1, ids.length], at: (i) => ids[i]! }),
  },
  {
    name: /^(decoder_)?attention_mask$/i,
    rank: 2,
    dtype: DType.INT64,
    make: ({ ids, seen }) => ({ dims: [1, seen + ids.length], at: () => 1 }),
  },
  {
    name: /^position_ids$/i,
    rank: 2,
    dtype: DType.INT64,
    make: ({ ids, seen }) => ({ dims: [1, ids.length], at: (i) => seen + i }),
  },
  {
    name: /^cache_position$/i,
    rank: 1,
    dtype: DType.INT64,
    make: ({ ids, seen }) => ({ dims: [ids.length], at: (i) => seen + i }),
  },
  {
    name: /^use_cache_branch$/i,
    rank: 1,
    dtype: DType.BOOL,
    make: ({ seen }) => ({ dims: [1], at: () => Number(seen > 0) }),
  },
  {
    name: /^image_mask$/i,
    rank: 2,
    dtype: DType.BOOL,
    make: ({ isImage }) => ({ dims: [1, isImage.length], at: (i) => Number(isImage[i]) }),
  },
  {
    name: /^num_logits_to_keep$/i,
    rank: 0,
    dtype: DType.INT64,
    // 0 keeps all.
    make: ({ all }) => ({ dims: [], at: () => (all ? 0 : 1) }),
  },
];

/**
 * The feeder of an input.
 * @param context outputs of the encoder by the names of the decoder's inputs
 * @throws 'run-input' where no rule says what the input takes
 */
export function feederFor(
  component: ComponentShape,
  port: PortShape,
  context: Readonly<Record<string, HostTensor>>,
): Feeder {
  const given = context[port.name];
  if (given) return () => given;
  if (/^inputs_embeds$/i.test(port.name)) return ({ embeds }) => embeds!;
  const refuse = (reason: string): never => {
    throw new SecateurError('run-input', { component: component.id, input: port.name, reason });
  };
  if (/^encoder_attention_mask$/i.test(port.name))
    return maskOfStates(port, context) ?? refuse('no encoder runs first');
  const rule = RULES.find((r) => r.name.test(port.name));
  if (!rule) return refuse('its name is unknown');
  // Some exporters keep single numbers as tensors of one element.
  const scalar = rule.rank === 0 && port.shape.length === 1;
  if (port.shape.length !== rule.rank && !scalar)
    return refuse(`it has ${port.shape.length} axes, and ${rule.rank} are known`);
  return (step) => {
    const { dims, at } = rule.make(step);
    return filled(port.dtype ?? rule.dtype, scalar ? [1] : dims, at);
  };
}

/** Every state of the encoder counts. */
function maskOfStates(port: PortShape, context: Readonly<Record<string, HostTensor>>): Feeder | null {
  const states = Object.entries(context).find(([name]) => /^encoder_(hidden_states|outputs)$/i.test(name))?.[1];
  if (!states || states.dims.length !== 3) return null;
  const mask = filled(port.dtype ?? DType.INT64, [1, states.dims[1]!], () => 1);
  return () => mask;
}
