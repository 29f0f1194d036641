/** Answers of packages by an independent Python program, generate.py. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { python } from './python.ts';

/** Python with onnxruntime, numpy and pillow, or null. */
export const referencePython = python();

/** One result per case; generate.py describes both. */
export const referenceAnswers = <T>(cases: readonly object[]): T[] =>
  JSON.parse(
    execFileSync(referencePython!, [join(import.meta.dirname, 'generate.py')], {
      input: JSON.stringify(cases),
      maxBuffer: 1 << 28,
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_VERBOSITY: 'error' },
    }).toString(),
  ) as T[];
