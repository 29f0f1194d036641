/**
 * Operators on sequences, optionals and maps. They have no width that could be cut (take-sequences.ts replaces some of
 * them).
 */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'SequenceEmpty', traits: { sequence: { makes: 'sequence' } } },
  { opType: 'SequenceConstruct', traits: { sequence: { makes: 'sequence' } } },
  { opType: 'SplitToSequence', traits: { sequence: { makes: 'sequence' } } },
  { opType: 'SequenceInsert', traits: { sequence: { makes: 'sequence', reads: true } } },
  { opType: 'SequenceErase', traits: { sequence: { makes: 'sequence', reads: true } } },
  { opType: 'SequenceMap', traits: { sequence: { makes: 'sequence', reads: true }, writesEveryOutput: true } },
  { opType: 'SequenceAt', traits: { sequence: { reads: true } } },
  { opType: 'SequenceLength', traits: { sequence: { reads: true } } },
  { opType: 'ConcatFromSequence', traits: { sequence: { reads: true } } },
  { opType: 'Optional', traits: { sequence: { makes: 'optional' } } },
  { opType: 'OptionalGetElement', traits: { sequence: { reads: true } } },
  { opType: 'OptionalHasElement', traits: { sequence: { reads: true } } },
  { opType: 'ZipMap', domain: 'ai.onnx.ml', traits: { sequence: { makes: 'sequence(map)' } } },
];
