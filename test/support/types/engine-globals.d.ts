// All that the engine may see beyond the language: what every JavaScript host has. No Node, no DOM.
/// <reference types="vite/types/importMeta.d.ts" />

declare class TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  constructor(encoding?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: ArrayBufferView | ArrayBuffer): string;
}
