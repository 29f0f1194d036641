export { runPasses, type Pass, type PassResult } from './pass.ts';
export { eliminateDead } from './eliminate-dead.ts';
export { eliminateIdentity } from './eliminate-identity.ts';
export { foldBatchNorm } from './fold-batch-norm.ts';
export { constantsToInitializers } from './constants-to-initializers.ts';
export { extractSubgraph } from './extract.ts';
export { eliminateRepeatedActivation } from './eliminate-repeated-activation.ts';
export { paddedShortcutsToConv } from './padded-shortcuts.ts';
export { untieVectors } from './untie-vectors.ts';
