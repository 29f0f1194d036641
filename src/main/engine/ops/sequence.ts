/** Operators on sequences, optionals and maps. They have no width that could be cut (take-sequences.ts replaces what it can). */
import type { DescribedOperator } from './contract.ts';

export const described: readonly DescribedOperator[] = [
  { opType: 'SequenceEmpty', traits: { sequence: { makes: 'list' } } },
  { opType: 'SequenceConstruct', traits: { sequence: { makes: 'list' } } },
  { opType: 'SplitToSequence', traits: { sequence: { makes: 'list' } } },
  { opType: 'SequenceInsert', traits: { sequence: { makes: 'list', reads: true } } },
  { opType: 'SequenceErase', traits: { sequence: { makes: 'list', reads: true } } },
  { opType: 'SequenceMap', traits: { sequence: { makes: 'list', reads: true }, writesEveryOutput: true } },
  { opType: 'SequenceAt', traits: { sequence: { reads: true } } },
  { opType: 'SequenceLength', traits: { sequence: { reads: true } } },
  { opType: 'ConcatFromSequence', traits: { sequence: { reads: true } } },
  { opType: 'Optional', traits: { sequence: { makes: 'optional' } } },
  { opType: 'OptionalGetElement', traits: { sequence: { reads: true } } },
  { opType: 'OptionalHasElement', traits: { sequence: { reads: true } } },
  { opType: 'ZipMap', domain: 'ai.onnx.ml', traits: { sequence: { makes: 'map' } } },
];
