/** Checks the arguments of a method, and gives the identity where all tokens stay. */
import type { TokenInputs, TokenMethod } from '../method.ts';
import { sameIndex, upTo } from './rows.ts';

/** Oldest operator set with TopK in ascending order, GatherElements and ScatterElements. */
const OLDEST_OPSET = 11;

/** The method with checks before `emit`, which then sees only 1 <= keep < count - fixed and the inputs that it needs. */
export function defineMethod(method: TokenMethod): TokenMethod {
  return {
    ...method,
    emit(b, inputs, keep) {
      const refuse = (reason: string): never => {
        throw new Error(`token method ${method.name}: ${reason}`);
      };
      const free = inputs.count - inputs.fixed;
      if (!Number.isInteger(keep) || keep < 1 || keep > free) refuse(`cannot keep ${keep} of ${free} tokens`);
      if (b.opset < OLDEST_OPSET) refuse(`needs operator set ${OLDEST_OPSET}, not ${b.opset}`);
      if (keep === free) return { index: sameIndex(b, inputs.tokens, upTo(inputs.count)) };
      const missing = method.needs.find((need) => !isGiven(inputs, need));
      if (missing) refuse(`needs ${missing}`);
      if (method.levels && !method.levels(inputs).includes(keep)) refuse(`${keep} is not one of its levels`);
      return method.emit(b, inputs, keep);
    },
  };
}

/** Sizes are 1 where they are absent: the need only says that the place must carry them on. */
const isGiven = (inputs: TokenInputs, need: TokenMethod['needs'][number]): boolean =>
  need === 'sizes' || inputs[need] !== undefined;
