export { readModel, type ReadOptions } from './read-model.ts';
export { serializeModel, writeModelChunks, MAX_FILE_BYTES, type WriteOptions, type WritePlan } from './write-model.ts';
export { EncodedTensor, isMissing } from './encoded-tensor.ts';
export { MemorySource, type ByteSource, type DataResolver } from './source.ts';
export { nonTensorName } from './type-name.ts';
export { checkLocation } from './external.ts';
export type { ExternalOptions } from './external-layout.ts';
