/** Running a package: an answer to a prompt, or scores of texts for a picture. */
export interface RunRequest {
  /** Folder of a package, or an ONNX file. */
  readonly package: string;
  /** Picture file. */
  readonly image?: string;
  readonly prompt?: string;
  /** Texts that the picture is compared with. */
  readonly texts?: readonly string[];
  /** Most tokens of the answer. */
  readonly tokens?: number;
  /** Absent: the most probable token is taken each time. */
  readonly sampling?: {
    readonly temperature: number;
    readonly topK: number;
    readonly topP: number;
    readonly seed: number;
  };
  readonly provider: string;
  readonly threads: number;
}

/** A part of a run, with the milliseconds of all its repetitions. */
export interface RunPhase {
  readonly name: string;
  readonly repeat: number;
  readonly ms: number;
}

interface RunBase {
  readonly package: string;
  readonly phases: readonly RunPhase[];
  readonly notes: readonly string[];
}

export interface AnswerReport extends RunBase {
  readonly kind: 'answer';
  readonly text: string;
  readonly ids: readonly number[];
  /** `end`: the end token; `tokens`: the number asked for; `positions`: the package has no more. */
  readonly stop: 'end' | 'tokens' | 'positions' | 'cancelled';
  readonly promptTokens: number;
  readonly imageTokens: number;
}

export interface ScoresReport extends RunBase {
  readonly kind: 'scores';
  /** Cosine of the picture and each text, largest first. */
  readonly scores: readonly { readonly text: string; readonly score: number }[];
}

export type RunReport = AnswerReport | ScoresReport;
