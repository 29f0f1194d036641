export { readModel } from './read-model.ts';
export { serializeModel, writeModelChunks, type WritePlan } from './write-model.ts';
export { isMissing } from './encoded-tensor.ts';
export type { ByteSource, DataResolver } from './source.ts';
export { nonTensorName } from './type-name.ts';
export type { ExternalOptions } from './external-layout.ts';
