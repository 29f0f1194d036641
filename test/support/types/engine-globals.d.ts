// The only globals that the engine may use beyond the language: those of every JavaScript host. No
// Node, no DOM.
/// <reference types="vite/types/importMeta.d.ts" />

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBuffer): string;
}
