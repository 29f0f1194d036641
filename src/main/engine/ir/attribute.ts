import type { Graph } from './graph.ts';
import type { Tensor } from './tensor.ts';

/**
 * A node's attribute. `raw` keeps kinds that are not interpreted (sparse tensors, types, future kinds) as encoded
 * protobuf.
 */
export type Attribute = (
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'tensor'; readonly value: Tensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly kind: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  /** Inside a function body: refers to an attribute of the calling node. */
  | { readonly kind: 'ref'; readonly value: string; readonly type: number }
  /** The whole AttributeProto as encoded, name included. */
  | { readonly kind: 'raw'; readonly value: Uint8Array }
) & {
  /** Documentation and unknown fields, encoded. */
  readonly extra?: Uint8Array;
};

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();

export const int = (n: number): Attribute => ({ kind: 'int', value: BigInt(n) });
export const ints = (n: readonly number[]): Attribute => ({ kind: 'ints', value: n.map(BigInt) });
export const float = (n: number): Attribute => ({ kind: 'float', value: n });
export const floats = (n: readonly number[]): Attribute => ({ kind: 'floats', value: n });
export const str = (s: string): Attribute => ({ kind: 'string', value: utf8.encode(s) });
export const tensorAttr = (t: Tensor): Attribute => ({ kind: 'tensor', value: t });
export const graphAttr = (g: Graph): Attribute => ({ kind: 'graph', value: g });

/** Reads an attribute with a default. An attribute of the wrong kind counts as absent. */
export const attrInt = (a: Attribute | undefined, or: number): number => (a?.kind === 'int' ? Number(a.value) : or);
export const attrFloat = (a: Attribute | undefined, or: number): number => (a?.kind === 'float' ? a.value : or);
export const attrString = (a: Attribute | undefined, or: string): string =>
  a?.kind === 'string' ? fromUtf8.decode(a.value) : or;
export const attrInts = (a: Attribute | undefined): number[] | undefined =>
  a?.kind === 'ints' ? a.value.map(Number) : undefined;
