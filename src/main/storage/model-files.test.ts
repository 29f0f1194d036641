import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { random } from '../../../test/support/example-model.ts';
import { smallNetwork } from '../../../test/support/small-network.ts';
import type { ErrorCode } from '../../shared/contract/errors.ts';
import { verifyModel } from '../engine/ir/verify.ts';
import { serializeModel } from '../engine/onnx/index.ts';
import { FileByteSource } from './file-source.ts';
import { openModelFile, saveModelFile } from './model-files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'secateur-model-files-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const at = (name: string): string => join(dir, name);
const code = (c: ErrorCode) => expect.objectContaining({ name: 'SecateurError', code: c });
const everything = { externalData: { thresholdBytes: 0 } };

describe('model files', () => {
  it('save and open, in one file and with a data file, again over themselves', () => {
    const bytes = serializeModel(smallNetwork(random(1)));
    expect(saveModelFile(smallNetwork(random(1)), at('m.onnx')).files).toEqual([at('m.onnx')]);
    expect(serializeModel(openModelFile(at('m.onnx')))).toEqual(bytes);

    const saved = saveModelFile(openModelFile(at('m.onnx')), at('e.onnx'), everything);
    expect(saved.files).toEqual([at('e.onnx'), at('e.onnx.data')]);
    const opened = openModelFile(at('e.onnx'));
    expect(serializeModel(opened)).toEqual(bytes);
    saveModelFile(opened, at('e.onnx'), everything);
    expect(serializeModel(openModelFile(at('e.onnx')))).toEqual(bytes);
    expect(readdirSync(dir).sort()).toEqual(['e.onnx', 'e.onnx.data', 'm.onnx']);
  });

  it('are opened with a name for every output that the runtime crashes without', () => {
    const model = smallNetwork(random(1));
    const [, left] = model.graph.emit('Split', [model.graph.outputs[0]!], { outputs: 2, outputName: 'part' });
    left!.name = '';
    saveModelFile(model, at('m.onnx'));
    const opened = openModelFile(at('m.onnx'));
    verifyModel(opened);
    expect(opened.graph.lastNode!.outputs.every((o) => o.name !== '')).toBe(true);
  });

  it('leaves nothing behind, and the old file whole, when saving fails', () => {
    const model = smallNetwork(random(1));
    saveModelFile(model, at('m.onnx'));
    const before = serializeModel(openModelFile(at('m.onnx')));
    model.graph.addInitializer('large', {
      ...{ dtype: 2, dims: [1 << 20], byteLength: 1 << 20, bytes: () => new Uint8Array(1 << 20) },
      *chunks() {
        yield new Uint8Array(1000);
        throw new Error('the source is gone');
      },
    });
    expect(() => saveModelFile(model, at('m.onnx'))).toThrow('the source is gone');
    expect(() => saveModelFile(model, at('m.onnx'), everything)).toThrow('the source is gone');
    expect(readdirSync(dir)).toEqual(['m.onnx']);
    expect(serializeModel(openModelFile(at('m.onnx')))).toEqual(before);
    expect(() => saveModelFile(smallNetwork(random(1)), at('no/such/folder.onnx'))).toThrow(code('file-unwritable'));
  });

  it('refuse what is not there or no file', () => {
    expect(() => openModelFile(at('none.onnx'))).toThrow(code('file-not-found'));
    expect(() => openModelFile(dir)).toThrow(code('file-unreadable'));
  });

  it('data files: missing, short, outside through a link; a link inside the folder is fine', () => {
    saveModelFile(smallNetwork(random(1)), at('m.onnx'), everything);
    const data = new FileByteSource(at('m.onnx.data'));
    const bytes = data.read(0, data.size);
    data.close();
    const open = () => openModelFile(at('m.onnx'));

    truncateSync(at('m.onnx.data'), bytes.length - 1);
    expect(open).toThrow(code('external-data-range'));
    rmSync(at('m.onnx.data'));
    expect(open).toThrow(code('external-data-missing'));
    mkdirSync(at('m.onnx.data'));
    expect(open).toThrow(code('file-unreadable'));
    rmSync(at('m.onnx.data'), { recursive: true });

    const outside = mkdtempSync(join(tmpdir(), 'secateur-outside-'));
    try {
      writeFileSync(join(outside, 'd'), bytes);
      symlinkSync(join(outside, 'd'), at('m.onnx.data'));
      expect(open).toThrow(code('external-data-outside'));
      rmSync(at('m.onnx.data'));
    } finally {
      rmSync(outside, { recursive: true });
    }
    writeFileSync(at('real'), bytes);
    symlinkSync('real', at('m.onnx.data'));
    expect(open().graph.nodeCount).toBeGreaterThan(5);
  });

  it('a closed source says so', () => {
    writeFileSync(at('f'), 'abc');
    const s = new FileByteSource(at('f'));
    expect([...s.read(1, 2)]).toEqual([98, 99]);
    s.close();
    expect(() => s.read(0, 1)).toThrow(code('file-unreadable'));
  });
});
