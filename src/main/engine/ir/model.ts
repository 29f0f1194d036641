import { Graph } from './graph.ts';

/** A FunctionProto, kept encoded. Its identity is read so that calls can be distinguished from unknown operators. */
export interface FunctionDef {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly encoded: Uint8Array;
}

export class Model {
  irVersion = 8;
  /** The file's declared version, where it is older than the version in memory. */
  fileIrVersion: number | null = null;
  /** Operator-set version per domain; the default domain is ''. */
  readonly opsets = new Map<string, number>();
  producerName = '';
  producerVersion = '';
  domain = '';
  modelVersion = 0n;
  docString = '';
  readonly metadata = new Map<string, string>();
  readonly functions: FunctionDef[] = [];
  /** Training info and unknown fields, encoded. */
  unknown: Uint8Array | null = null;
  /** Sizes of dynamic axes by name for runs of this copy. Never written to a file. */
  sizes: ReadonlyMap<string, number> = new Map();
  readonly graph: Graph;

  constructor(graph: Graph = new Graph()) {
    this.graph = graph;
  }

  /** Version of the default operator set. */
  get opset(): number {
    return this.opsets.get('') ?? 1;
  }
}
