/** `secateur run`: the answer on standard output while it is written, and errors with their codes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveModelFile } from '../../src/main/storage/model-files.ts';
import { countingDecoder, rowEncoder } from '../support/counting-decoder.ts';
import { BUILT_CLI } from '../support/serve.ts';

const home = mkdtempSync(join(tmpdir(), 'secateur-run-'));
afterAll(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
const vocab = { vocab: { a: 0, b: 1, c: 2, d: 3, e: 4, f: 5 }, start: 0, end: 5 };

beforeAll(() => {
  saveModelFile(countingDecoder(), join(home, 'model.onnx'));
  writeFileSync(join(home, 'vocab.json'), JSON.stringify(vocab));
});

/** Pieces are separate writes of the process. */
async function run(...args: string[]): Promise<{ code: number | null; out: string; pieces: string[]; err: string }> {
  const child = spawn(process.execPath, [BUILT_CLI, 'run', ...args], {
    cwd: home,
    env: { ...process.env, SECATEUR_HOME: join(home, 'data') },
  });
  const pieces: string[] = [];
  let err = '';
  child.stdout.on('data', (d: Buffer) => void pieces.push(d.toString()));
  child.stderr.on('data', (d: Buffer) => (err += d.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: pieces.join(''), pieces, err };
}

describe('secateur run', () => {
  it('prints each piece as it comes, then the phases', async () => {
    const { code, out, pieces, err } = await run('model.onnx', '--prompt', 'ab', '--tokens', '3');
    expect(err).toBe('');
    expect(code).toBe(0);
    expect(pieces.length).toBeGreaterThan(1);
    expect(out).toMatch(
      /^cde\n\nphase +runs +each +together\nprefill +1 .*\ndecode +2 .*\ntokens: prompt 3, answer 3 \(as many as asked for\)\n$/,
    );
  });

  it('prints one document with --json', async () => {
    const { out } = await run('model.onnx', '--prompt', 'ab', '--json');
    expect(JSON.parse(out)).toMatchObject({
      kind: 'answer',
      text: 'cde',
      ids: [2, 3, 4, 5],
      stop: 'end',
      phases: [{ name: 'prefill' }, { name: 'decode', repeat: 3 }],
    });
  });

  it.each([
    [['model.onnx', '--prompt', 'ab', '--seed', '3'], 2, /need --sample/],
    [['model.onnx', '--prompt', 'ab', '--texts', 'a,b'], 2, /--texts is for dual encoders/],
    [['model.onnx'], 3, /\(run-prompt\)/],
    [['model.onnx', '--prompt', 'ab', '--image', 'vocab.json'], 3, /\(run-image\)/],
  ])('%j ends with %i', async (args, code, message) => {
    const r = await run(...args);
    expect(r.err).toMatch(message);
    expect(r.code).toBe(code);
    expect(r.out).toBe('');
  });

  it('names the picture that cannot be read', async () => {
    const folder = mkdtempSync(join(home, 'pair-'));
    saveModelFile(countingDecoder(true), join(folder, 'decoder_model_merged.onnx'));
    saveModelFile(rowEncoder(), join(folder, 'encoder_model.onnx'));
    writeFileSync(join(folder, 'vocab.json'), JSON.stringify(vocab));
    const r = await run(folder, '--image', join(home, 'vocab.json'));
    expect(r.err).toMatch(/\(image-unreadable\)/);
    expect((await run(folder)).err).toMatch(/\(run-image\)/);
  });
});
