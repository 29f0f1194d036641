export { GraphBuilder } from './builder.ts';
export { buildBackward, importDomains, type BackwardOptions } from './walker.ts';
export { Shapes, type FactsLookup } from './shapes.ts';
export * from './losses.ts';
export * from './muon.ts';
export * from './optimizers.ts';
export * from './train-step.ts';
export * from './trainer.ts';
