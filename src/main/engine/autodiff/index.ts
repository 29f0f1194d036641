export * from './losses.ts';
export * from './muon.ts';
export * from './optimizers.ts';
export * from './train-step.ts';
export * from './trainer.ts';
