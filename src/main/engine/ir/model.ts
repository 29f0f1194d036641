import { Graph } from './graph.ts';

/** A FunctionProto, kept encoded; its identity is read so that calls can be told from unknown operators. */
export interface FunctionDef {
  readonly domain: string;
  readonly name: string;
  readonly overload: string;
  readonly encoded: Uint8Array;
}

export class Model {
  irVersion = 8;
  /** What the file declares, where it is older than what it was opened as. */
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
  /** Training info and fields we do not know, encoded. */
  unknown: Uint8Array | null = null;
  /** Sizes of dynamic axes by name, as runs of this copy use them. Never written to a file. */
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
